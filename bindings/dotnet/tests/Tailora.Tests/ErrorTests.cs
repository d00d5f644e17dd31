using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;
using Xunit;

namespace Tailora.Tests;

/// <summary>Each failure as the exception that a C# program expects, with its facts.</summary>
[Collection(NativeCollection.Name)]
public class ErrorTests(Trained trained)
{
    [Theory]
    [InlineData(TailoraErrorCode.Cancelled, typeof(OperationCanceledException))]
    [InlineData(TailoraErrorCode.AdapterMismatch, typeof(AdapterMismatchException))]
    [InlineData(TailoraErrorCode.CsvFormat, typeof(CsvFormatException))]
    [InlineData(TailoraErrorCode.Training, typeof(TrainingException))]
    [InlineData(TailoraErrorCode.ModelFormat, typeof(ModelLoadException))]
    [InlineData(TailoraErrorCode.Io, typeof(TailoraException))]
    [InlineData(TailoraErrorCode.Internal, typeof(TailoraException))]
    public void A_code_has_its_exception(TailoraErrorCode code, Type type)
    {
        Exception exception = Failure.Create(code, "sentence", default, CancellationToken.None, Operation.Other);
        Assert.IsType(type, exception);
        Assert.Equal("sentence", exception.Message);
        Assert.Equal(code, (exception as TailoraException)?.Code ?? TailoraErrorCode.Cancelled);
    }

    [Fact]
    public async Task A_missing_model_is_a_load_error_with_its_path()
    {
        string path = Path.Combine(Path.GetTempPath(), "no such 模型");
        var error = await Assert.ThrowsAsync<ModelLoadException>(() => LanguageModel.LoadAsync(path));
        Assert.Equal(TailoraErrorCode.Io, error.Code);
        Assert.StartsWith(path, error.Path, StringComparison.Ordinal);
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_model_is_a_load_error()
    {
        using TemporaryFolder folder = CopyOfModel();
        File.WriteAllText(Path.Combine(folder.FullName, "config.json"), "{\"model_type\": ");
        Assert.Equal(TailoraErrorCode.ModelFormat, Assert.Throws<ModelLoadException>(() => LanguageModel.Load(folder.FullName)).Code);
        string config = File.ReadAllText(Path.Combine(Repository.Model, "config.json"));
        File.WriteAllText(Path.Combine(folder.FullName, "config.json"), config.Replace("qwen2", "mamba").Replace("Qwen2", "Mamba"));
        var error = Assert.Throws<ModelLoadException>(() => LanguageModel.Load(folder.FullName));
        Assert.Equal(TailoraErrorCode.Unsupported, error.Code);
        Assert.Contains("mamba", error.Message, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("输入,输出\n甲,乙\n", 0L, 1L, "input")]
    [InlineData("input,output\n甲,乙\n丙,\n", 2L, 3L, "output")]
    [InlineData("input,output\n\"甲\n1\",乙\n丙,\"丁\n", 2L, 4L, "output")]
    public void A_wrong_csv_has_row_and_column(string text, long row, long line, string column)
    {
        using var folder = new TemporaryFolder();
        var error = Assert.Throws<CsvFormatException>(() => Dataset.OpenCsv(folder.Write("rows.csv", text)));
        Assert.Equal(column, error.Column);
        Assert.Equal(row, error.Row);
        Assert.Equal(line, error.Line);
    }

    [Fact]
    public void A_missing_csv_is_an_io_error()
    {
        var error = Assert.Throws<TailoraException>(() => Dataset.OpenCsv("/no/such/file.csv"));
        Assert.Equal(TailoraErrorCode.Io, error.Code);
        Assert.Contains("file.csv", error.Details.GetProperty("path").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_of_another_base_is_a_mismatch_that_names_the_tensor()
    {
        using var folder = new TemporaryFolder();
        trained.Adapter.Save(folder.FullName);
        TransposeFirstTensor(Path.Combine(folder.FullName, "adapter_model.safetensors"));
        var error = Assert.Throws<AdapterMismatchException>(() => Adapter.Load(trained.Model, folder.FullName));
        Assert.Contains("lora_", error.Tensor, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_adapter_is_an_io_error() =>
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => Adapter.Load(trained.Model, "/no/such/adapter")).Code);

    [Fact]
    public void An_adapter_cannot_be_saved_into_a_file()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("file", "");
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => trained.Adapter.Save(file)).Code);
    }

    [Fact]
    public async Task An_option_outside_its_range_is_named()
    {
        using Session session = trained.Model.CreateSession();
        var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync("x", new GenerateOptions { Temperature = -1 }));
        Assert.Equal(TailoraErrorCode.InvalidOptions, error.Code);
        Assert.Equal("temperature", error.Details.GetProperty("option").GetString());
    }

    [Fact]
    public async Task A_prompt_longer_than_the_context_is_refused()
    {
        using Session session = trained.Model.CreateSession();
        var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync(string.Concat(Enumerable.Repeat(Trained.Line, 200))));
        Assert.Equal(TailoraErrorCode.ContextLength, error.Code);
    }

    [Fact]
    public async Task A_schema_that_cannot_be_followed_is_refused()
    {
        using Session session = trained.Model.CreateSession();
        JsonElement schema = JsonDocument.Parse("""{"type":"no such type"}""").RootElement;
        var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync("x", new GenerateOptions { JsonSchema = schema }));
        Assert.Equal(TailoraErrorCode.Schema, error.Code);
    }

    [Fact]
    public async Task Of_two_calls_on_a_session_at_a_time_one_is_refused()
    {
        using var source = new CancellationTokenSource();
        using Session session = trained.Model.CreateSession();
        Task first = session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 900, JsonSchema = Work.LongDocument }, source.Token);
        TailoraException? busy = null;
        while (busy is null && !first.IsCompleted)
        {
            try
            {
                session.Reset();
                await Task.Yield();
            }
            catch (TailoraException error)
            {
                busy = error;
            }
        }

        if (busy is null)
        {
            busy = await Assert.ThrowsAsync<TailoraException>(() => first); // it met a Reset: that was there first, then
        }
        else
        {
            source.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        }

        Assert.Equal(TailoraErrorCode.Busy, busy.Code);
        session.Reset();
    }

    [Fact]
    public async Task Numbers_that_run_away_are_a_training_error()
    {
        var absurd = Trained.Quick with
        {
            LearningRate = 10,
            LoraAlpha = 1e6,
            LoraplusLrRatio = 1e4,
            MaxGradNorm = 0,
            AdamBeta2 = 0,
            WarmupRatio = 0,
            ValidationShare = 0,
        };
        var error = await Assert.ThrowsAsync<TrainingException>(() => trained.Model.TrainAsync(trained.Dataset, absurd));
        Assert.Contains("learning_rate", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_row_longer_than_the_context_is_named()
    {
        using var folder = new TemporaryFolder();
        string input = string.Concat(Enumerable.Repeat(Trained.Line, 200)).Replace(',', ';');
        using Dataset dataset = Dataset.OpenCsv(folder.Write("rows.csv", $"input,output\n甲,好\n{input},好\n"));
        var error = await Assert.ThrowsAsync<TailoraException>(() => trained.Model.TrainAsync(dataset, Trained.Quick));
        Assert.Equal((TailoraErrorCode.ContextLength, 2), (error.Code, error.Details.GetProperty("row").GetInt32()));
    }

    [Fact]
    public void Text_that_is_no_unicode_is_refused_before_it_reaches_the_model()
    {
        Assert.ThrowsAny<ArgumentException>(() => trained.Model.CountTokens("\ud800"));
        Assert.Throws<ArgumentException>(() => LanguageModel.Load("a\0b"));
        Assert.Throws<ArgumentNullException>(() => trained.Model.CountTokens(null!));
        Assert.Throws<ArgumentNullException>(() => LanguageModel.Load(null!));
    }

    [Fact]
    public void Failing_leaves_nothing_behind()
    {
        long before = TailoraNative.LiveHandles;
        for (int i = 0; i < 50; i++)
        {
            Assert.Throws<ModelLoadException>(() => LanguageModel.Load("/no/such/model"));
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    private static TemporaryFolder CopyOfModel()
    {
        var folder = new TemporaryFolder();
        foreach (string file in Directory.GetFiles(Repository.Model))
        {
            File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
        }

        return folder;
    }

    /// <summary>Swaps the two dimensions of the first tensor; the number of its bytes stays right.</summary>
    private static void TransposeFirstTensor(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int length = (int)BitConverter.ToInt64(bytes, 0);
        JsonObject header = JsonNode.Parse(bytes.AsSpan(8, length))!.AsObject();
        JsonNode tensor = header.First(entry => entry.Key != "__metadata__").Value!;
        int[] shape = [.. tensor["shape"]!.AsArray().Select(dimension => dimension!.GetValue<int>())];
        tensor["shape"] = new JsonArray(shape[1], shape[0]);
        byte[] changed = Encoding.UTF8.GetBytes(header.ToJsonString());
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)changed.Length), .. changed, .. bytes[(8 + length)..]]);
    }
}
