using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Tasks;
using Tailora.Native;
using Xunit;

namespace Tailora.Tests;

/// <summary>The calls of <c>tests/conformance/calls.json</c>, which Rust, C and C++ make too, give the same answers here.</summary>
[Collection(NativeCollection.Name)]
public class ConformanceTests(Trained trained)
{
    public static TheoryData<string> Cases
    {
        get
        {
            var names = new TheoryData<string>();
            foreach (JsonElement row in Table.EnumerateArray())
            {
                names.Add(row.GetProperty("name").GetString()!);
            }

            return names;
        }
    }

    private static JsonElement Table { get; } =
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Repository.Root, "tests", "conformance", "calls.json"))).RootElement.GetProperty("cases");

    private static string FixtureModel => Path.Combine(Repository.Root, "tests", "fixtures", "models", "qwen2");

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_call_of_the_table_answers_as_in_the_other_languages(string name)
    {
        JsonElement row = default;
        foreach (JsonElement candidate in Table.EnumerateArray())
        {
            row = candidate.GetProperty("name").GetString() == name ? candidate : row;
        }

        string status = row.GetProperty("status").GetString()!;
        try
        {
            Check(row, await Answer(row), "");
            Assert.Equal("TAILORA_OK", status);
        }
        catch (TailoraException error)
        {
            Assert.Equal(status, "TAILORA_ERR_" + JsonNamingPolicy.SnakeCaseUpper.ConvertName(error.Code.ToString()));
            Check(row, error.Details, error.Message);
        }
        catch (JsonException)
        {
            // An option that no record has, or of another type: in C# the compiler refuses what the others are told at run time.
            Assert.Equal("TAILORA_ERR_INVALID_OPTIONS", status);
        }
    }

    private static void Check(JsonElement row, JsonElement answer, string message)
    {
        foreach (JsonElement pointer in Items(row, "has"))
        {
            Assert.True(Find(answer, pointer.GetString()!) is not null, $"no {pointer} in {answer}");
        }

        if (row.TryGetProperty("equals", out JsonElement equals))
        {
            foreach (JsonProperty expected in equals.EnumerateObject())
            {
                Assert.Equal(expected.Value.GetRawText(), JsonSerializer.Serialize(Find(answer, expected.Name), Plain));
            }
        }

        Assert.All(Items(row, "message"), part => Assert.Contains(part.GetString()!, message, StringComparison.Ordinal));
    }

    private static readonly JsonSerializerOptions Plain = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static IEnumerable<JsonElement> Items(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement list) ? list.EnumerateArray() : [];

    /// <summary>What a JSON pointer (RFC 6901, without escapes) leads to.</summary>
    private static JsonElement? Find(JsonElement at, string pointer)
    {
        foreach (string step in pointer.Split('/')[1..])
        {
            if (at.ValueKind == JsonValueKind.Array && int.TryParse(step, out int index) && index < at.GetArrayLength())
            {
                at = at[index];
            }
            else if (at.ValueKind != JsonValueKind.Object || !at.TryGetProperty(step, out at))
            {
                return null;
            }
        }

        return at;
    }

    /// <summary>Options as the record a C# program would write.</summary>
    private static T? Options<T>(JsonElement row, string name = "options")
        where T : class
    {
        if (!row.TryGetProperty(name, out JsonElement options))
        {
            return null;
        }

        var strict = new JsonSerializerOptions(OptionsJson.Default.Options) { UnmappedMemberHandling = System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow };
        return (T?)options.Deserialize((JsonTypeInfo)strict.GetTypeInfo(typeof(T)));
    }

    private static ReportCase Case(JsonElement one) => new(
        one.GetProperty("id").GetString()!, one.GetProperty("input").GetString()!, Report.Parse(one.GetProperty("report").GetRawText()))
    {
        Title = one.TryGetProperty("title", out JsonElement title) ? title.GetString() : null,
    };

    private static JsonElement FromFile(string set, string path) => set switch
    {
        "train" => JsonSerializer.SerializeToElement(TailoraOptions.FromFile<TrainingOptions>(path), OptionsJson.Default.TrainingOptions),
        "batch" => JsonSerializer.SerializeToElement(TailoraOptions.FromFile<BatchOptions>(path), OptionsJson.Default.BatchOptions),
        "report" => JsonSerializer.SerializeToElement(TailoraOptions.FromFile<ReportOptions>(path), OptionsJson.Default.ReportOptions),
        "docx" => JsonSerializer.SerializeToElement(TailoraOptions.FromFile<DocxOptions>(path), OptionsJson.Default.DocxOptions),

        // A set that is none has no record here; who asks for its schema is told the same.
        _ => TailoraNative.OptionsSchema(set),
    };

    private static JsonElement Parsed(string json) => JsonDocument.Parse(json).RootElement;

    private async Task<JsonElement> Answer(JsonElement row)
    {
        string? Text(string name) => row.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
        using var folder = new TemporaryFolder();
        using LanguageModel model = LanguageModel.Load(FixtureModel);
        switch (Text("call"))
        {
            case "options_schema":
                return TailoraNative.OptionsSchema(Text("options_name")!);
            case "model_load":
                using (LanguageModel loaded = LanguageModel.Load(Text("path") ?? FixtureModel, Options<ModelOptions>(row)))
                {
                    return Parsed(loaded.Info.RawJson);
                }

            case "dataset_open_csv":
                string csv = Text("csv") is string content ? folder.Write("rows.csv", content) : Text("path")!;
                using (Dataset dataset = Dataset.OpenCsv(csv, Options<DatasetOptions>(row)))
                {
                    return Parsed(dataset.Info.RawJson);
                }

            case "adapter_load":
                using (Adapter adapter = Adapter.Load(model, Text("path")!))
                {
                    return Parsed(adapter.Info.RawJson);
                }

            case "train":
                TrainingResult result = await model.TrainAsync(trained.Dataset, Options<TrainingOptions>(row));
                result.Adapter.Dispose();
                return Parsed(result.Summary.RawJson);
            case "estimate":
                return Parsed((await model.EstimateAsync(trained.Dataset, Options<TrainingOptions>(row))).RawJson);
            case "evaluate":
                return Parsed((await model.EvaluateAsync(trained.Dataset, training: trained.Dataset, options: Options<EvaluateOptions>(row))).RawJson);
            case "tokenize":
                return JsonSerializer.SerializeToElement(new { ids = model.Tokenize(Text("prompt")!, Options<TokenizeOptions>(row)) });
            case "detokenize":
                uint[] ids = row.GetProperty("ids").Deserialize<uint[]>()!;
                return JsonSerializer.SerializeToElement(new { text = model.Detokenize(ids, Options<TokenizeOptions>(row)) });
            case "score":
                using (Session session = model.CreateSession(Options<SessionOptions>(row, "session")))
                {
                    ScoredText scored = await session.ScoreAsync(Text("prompt")!, Text("completion")!, Options<ScoreOptions>(row));
                    return Parsed(scored.RawJson);
                }

            case "generate":
                using (Session session = model.CreateSession(Options<SessionOptions>(row, "session")))
                {
                    return JsonDocument.Parse((await session.GenerateAsync(Text("prompt")!, Options<GenerateOptions>(row))).RawJson).RootElement;
                }

            case "report":
                using (Session session = model.CreateSession(Options<SessionOptions>(row, "session")))
                {
                    return JsonDocument.Parse((await session.GenerateReportAsync(Text("prompt")!, Options<ReportOptions>(row))).RawJson).RootElement;
                }

            case "options_from_file":
                return FromFile(Text("options_name")!, folder.Write(Text("file_name")!, Text("file")!));
            case "batch":
                string cases = folder.Write("cases.csv", Text("csv")!);
                BatchSummary summary = await model.BatchAsync(cases, Path.Combine(folder.FullName, "job"), options: Options<BatchOptions>(row));
                return Parsed(summary.RawJson);
            case "registry_create":
            case "registry_open":
                string home = Path.Combine(folder.FullName, "registry");
                using (AdapterRegistry registry = Text("call") == "registry_open" ? AdapterRegistry.Open(home) : AdapterRegistry.Create(home))
                {
                    return JsonDocument.Parse(registry.List().RawJson).RootElement;
                }

            case "export_docx":
                string file = Path.Combine(folder.FullName, "reports.docx");
                Docx.Save(row.GetProperty("cases").EnumerateArray().Select(Case), file, Options<DocxOptions>(row));
                return JsonDocument.Parse(ReviewedDocument.Read(file).RawJson).RootElement;
            case "import_docx":
                return JsonDocument.Parse(ReviewedDocument.Read(Text("path")!).RawJson).RootElement;
            default:
                throw new InvalidOperationException($"the table has a call that no runner knows: {Text("call")}");
        }
    }
}
