using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>The four jobs on the bundled model: load, train, generate, report.</summary>
[Collection(NativeCollection.Name)]
public class JobTests(Trained trained)
{
    [Fact]
    public void A_model_says_what_it_is()
    {
        Assert.Equal("qwen2", trained.Model.Info.ModelType);
        Assert.Equal("tailora-tiny", trained.Model.Info.Name);
        using LanguageModel named = LanguageModel.Load(Repository.Model, new ModelOptions { Name = "基座", Device = "cpu", Threads = 1 });
        Assert.Equal("基座", named.Info.Name);
    }

    [Fact]
    public async Task Loading_reports_its_tensors()
    {
        int calls = 0;
        LoadProgress last = default;
        using LanguageModel model = await LanguageModel.LoadAsync(Repository.Model, new ModelOptions { Threads = 3 }, progress: new Reporter<LoadProgress>(e => (calls, last) = (calls + 1, e)));
        Assert.True(calls > 1);
        Assert.True(last.TotalSteps > 0);
        Assert.Equal(last.TotalSteps, last.Step);
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("a", 1)]
    public void Tokens_are_counted(string text, long count) => Assert.Equal(count, trained.Model.CountTokens(text));

    [Fact]
    public void More_text_has_more_tokens() =>
        Assert.InRange(trained.Model.CountTokens(Trained.Line), 10, Trained.Line.Length * 3);

    [Fact]
    public void A_dataset_says_what_was_read_and_shows_a_row_as_the_model_sees_it()
    {
        int rows = File.ReadLines(Repository.Csv).Count() - 1;
        Assert.Equal(rows, trained.Dataset.Info.Rows);
        RowPreview preview = trained.Dataset.Preview(trained.Model, 1);
        Assert.Equal(preview.Text, preview.Prompt + preview.Completion);
        Assert.Contains("<|im_start|>", preview.Prompt, StringComparison.Ordinal);
        Assert.Equal("<|im_start|>", preview.Tokens[0].Text);
        Assert.Equal((preview.PromptTokens, preview.CompletionTokens), (preview.Tokens.Count(token => !token.Trained), preview.Tokens.Count(token => token.Trained)));
        Assert.Throws<ArgumentOutOfRangeException>(() => trained.Dataset.Preview(trained.Model, 0));
        var error = Assert.Throws<TailoraException>(() => trained.Dataset.Preview(trained.Model, rows + 1));
        Assert.Equal(TailoraErrorCode.InvalidArgument, error.Code);
    }

    [Fact]
    public void Training_reports_steps_losses_and_time()
    {
        long rows = trained.Dataset.Info.Rows;
        TrainingProgress[] steps = [.. trained.Events.Where(e => e.Phase == WorkPhase.Train && e.Loss is not null)];
        Assert.NotEmpty(steps);
        Assert.Equal(steps.Select(e => e.Step).Order(), steps.Select(e => e.Step));
        Assert.All(steps, e => Assert.True(e.Loss is > 0 and < 20 && e.LearningRate >= 0 && e.TokensPerSecond > 0, e.ToString()));
        Assert.True(steps[^1].Loss < steps[0].Loss, $"{steps[0].Loss} → {steps[^1].Loss}");
        Assert.True(steps[^1].Elapsed > TimeSpan.Zero);
        Assert.Contains(steps, e => e.Eta is not null);
        Assert.Contains(trained.Events, e => e.Phase == WorkPhase.Validate);
        Assert.Equal((TrainingStopReason.Completed, 24L, rows), (trained.Summary.StopReason, trained.Summary.Steps, trained.Summary.Rows));
        Assert.True(trained.Summary.ValidationLoss < trained.Summary.BaseValidationLoss);
    }

    [Fact]
    public async Task An_adapter_changes_what_the_model_writes_and_detaching_undoes_it()
    {
        using Session session = trained.Model.CreateSession();
        string before = (await session.GenerateAsync(Trained.Line)).Text;
        session.Attach(trained.Adapter);
        string with = (await session.GenerateAsync(Trained.Line)).Text;
        session.Detach(trained.Adapter);
        string after = (await session.GenerateAsync(Trained.Line)).Text;
        Assert.NotEqual(before, with);
        Assert.Equal(before, after);
    }

    [Fact]
    public async Task A_reset_session_is_as_new()
    {
        using Session session = trained.Model.CreateSession();
        var few = new GenerateOptions { MaxTokens = 30 };
        string before = (await session.GenerateAsync(Trained.Line, few)).Text;
        session.Attach(trained.Adapter);
        session.Attach(trained.Adapter, 0.5);
        Assert.NotEqual(before, (await session.GenerateAsync(Trained.Line, few)).Text);
        session.Reset();
        Assert.Equal(before, (await session.GenerateAsync(Trained.Line, few)).Text);
    }

    [Fact]
    public async Task A_session_knows_its_adapters_and_changes_their_scale()
    {
        using Session session = trained.Model.CreateSession();
        var few = new GenerateOptions { MaxTokens = 30 };
        using Adapter other = Adapter.Merge((trained.Adapter, 1.0));
        string before = (await session.GenerateAsync(Trained.Line, few)).Text;
        Assert.Empty(session.Adapters);
        session.Attach(trained.Adapter, 0.5);
        session.Attach(other, 0);
        Assert.Equal([(trained.Adapter, 0.5), (other, 0.0)], session.Adapters);
        session.SetScale(trained.Adapter, 0);
        Assert.Equal([(trained.Adapter, 0.0), (other, 0.0)], session.Adapters);
        Assert.Equal(before, (await session.GenerateAsync(Trained.Line, few)).Text);
        session.SetScale(other, 2);
        Assert.NotEqual(before, (await session.GenerateAsync(Trained.Line, few)).Text);
        Report report = await session.GenerateReportAsync(Trained.Line, new ReportOptions { Influence = false, Generate = few });
        Assert.Equal(session.Adapters.Select(entry => entry.Scale), report.Adapters.Select(adapter => adapter.Scale));
        Assert.Equal(TailoraErrorCode.InvalidArgument, Assert.Throws<TailoraException>(() => session.SetScale(other, double.NaN)).Code);
        Assert.Equal((other, 2.0), session.Adapters[^1]);
        session.Detach(trained.Adapter);
        Assert.Equal([(other, 2.0)], session.Adapters);
        Assert.Equal(TailoraErrorCode.InvalidArgument, Assert.Throws<TailoraException>(() => session.SetScale(trained.Adapter, 1)).Code);
        session.Attach(other, 3);
        session.Detach(other);
        Assert.Equal([(other, 2.0)], session.Adapters);
        session.Reset();
        Assert.Empty(session.Adapters);
    }

    [Fact]
    public async Task A_saved_adapter_writes_the_same_when_loaded_again()
    {
        using var folder = new TemporaryFolder();
        trained.Adapter.Save(folder.FullName);
        Assert.True(File.Exists(Path.Combine(folder.FullName, "adapter_config.json")));
        using Adapter loaded = Adapter.Load(trained.Model, folder.FullName);
        Assert.Equal(4, loaded.Info.R);
        Assert.Equal(await Write(trained.Adapter), await Write(loaded));
    }

    [Fact]
    public void A_saved_adapter_is_replaced_on_request_and_never_without()
    {
        using var folder = new TemporaryFolder();
        using Adapter merged = Adapter.Merge((trained.Adapter, 0.5), (trained.Adapter, 0.5));
        trained.Adapter.Save(folder.FullName);
        Assert.Equal(TailoraErrorCode.Io, Assert.Throws<TailoraException>(() => merged.Save(folder.FullName)).Code);
        merged.Save(folder.FullName, overwrite: true);
        using (Adapter loaded = Adapter.Load(trained.Model, folder.FullName))
        {
            Assert.Equal(8, loaded.Info.R);
        }

        folder.Write("notes.txt", "");
        Assert.Contains("notes.txt", Assert.Throws<TailoraException>(() => merged.Save(folder.FullName, overwrite: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_merged_stack_writes_what_the_stack_wrote()
    {
        using Adapter merged = Adapter.Merge((trained.Adapter, 0.5), (trained.Adapter, 0.5));
        Assert.Equal(8, merged.Info.R);
        Assert.Equal(await Write(trained.Adapter), await Write(merged));
    }

    [Fact]
    public async Task Options_reach_the_generation()
    {
        using Session session = trained.Model.CreateSession(new SessionOptions { System = "你是资深HRBP。" });
        Generation generation = await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 5, Logprobs = true, Seed = 7, Temperature = 0.8 });
        Assert.Equal(("length", 5L, 7UL), (generation.FinishReason, generation.CompletionTokens, generation.Seed));
        Assert.All(generation.Tokens!, token => Assert.True(token.Logprob <= 0));
        Assert.True(generation.PromptTokens > trained.Model.CountTokens(Trained.Line));
        Assert.Contains("\"finish_reason\"", generation.RawJson, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_schema_constrains_the_text()
    {
        using Session session = trained.Model.CreateSession();
        JsonElement schema = JsonDocument.Parse("""{"type":"object","properties":{"等级":{"enum":["A","B","C"]}},"required":["等级"],"additionalProperties":false}""").RootElement;
        string text = (await session.GenerateAsync(Trained.Line, new GenerateOptions { JsonSchema = schema, MaxTokens = 40 })).Text;
        Assert.Contains(JsonDocument.Parse(text).RootElement.GetProperty("等级").GetString(), new[] { "A", "B", "C" });
    }

    [Theory]
    [InlineData(ReportMode.Text)]
    [InlineData(ReportMode.Schema)]
    public async Task A_report_has_measured_conclusions_with_sources_out_of_the_input(ReportMode mode)
    {
        using Session session = trained.Model.CreateSession();
        session.Attach(trained.Adapter);
        Report report = await session.GenerateReportAsync(
            Trained.Line, new ReportOptions { Mode = mode, Generate = new GenerateOptions { MaxTokens = 160 } });
        Assert.Equal("tailora.report/1", report.Schema);
        Assert.NotEmpty(report.Text);
        Assert.NotEmpty(report.Conclusions);
        Assert.All(report.Conclusions, conclusion => Assert.InRange(conclusion.Confidence!.Value, 0, 1));
        Assert.All(report.Conclusions, conclusion => Assert.Equal(mode == ReportMode.Text ? "calibrated" : "uncalibrated", conclusion.ConfidenceKind));
        Assert.All(report.Conclusions.SelectMany(c => c.Sources), source => Assert.Contains($"{source.Field}:{source.Value}", Trained.Line, StringComparison.Ordinal));
        Assert.Equal("tailora-tiny", report.Model!.Name);
        Assert.Matches("^[0-9a-f]{64}$", report.Model.Sha256);
        Assert.Equal(1.0, Assert.Single(report.Adapters).Scale);
        Assert.True(report.Generation!.CompletionTokens > 0);
        Assert.Equal(report.Text, JsonDocument.Parse(report.RawJson).RootElement.GetProperty("report").GetString());
        Assert.Equal(mode == ReportMode.Schema, report.Document is not null);
    }

    [Fact]
    public async Task What_a_house_rule_requires_stands_in_the_report()
    {
        using Session session = trained.Model.CreateSession();
        session.Attach(trained.Adapter);
        var when = new Condition { Field = "潜力", EqualTo = "高" };
        var options = new ReportOptions
        {
            Influence = false,
            Rules = new HouseRules { Required = [new RequiredMention { When = when, Mention = ["接班人面谈"], Write = "安排接班人面谈。" }] },
            Generate = new GenerateOptions { MaxTokens = 300 },
        };
        Report report = await session.GenerateReportAsync(Trained.Line, options);
        Assert.Equal("stop", report.Generation!.FinishReason);
        Assert.EndsWith("安排接班人面谈。", report.Text, StringComparison.Ordinal);
        RuleSentence written = Assert.Single(report.Rules!.Written);
        Assert.Equal(("潜力", "安排接班人面谈。", "接班人面谈"), (written.Field, written.Text, Assert.Single(written.Phrases)));
        Assert.Empty(report.Rules.Violations);
        Conclusion last = report.Conclusions[^1];
        Assert.Equal(("rule", 1.0, "潜力"), (last.ConfidenceKind, last.Confidence, Assert.Single(last.Sources).Field));
        // Reports of another case have none, and violations are told where nothing may be written.
        Report other = await session.GenerateReportAsync(Trained.Line.Replace("潜力:高", "潜力:低", StringComparison.Ordinal), options);
        Assert.Empty(other.Rules!.Written);
        options.Rules.Required = [new RequiredMention { Mention = ["接班人面谈"], Write = "" }];
        Report told = await session.GenerateReportAsync(Trained.Line, options);
        Assert.Equal("required", Assert.Single(told.Rules!.Violations).Rule);
    }

    [Fact]
    public async Task A_training_is_estimated_before_it_is_made()
    {
        TrainingEstimate estimate = await trained.Model.EstimateAsync(trained.Dataset, new TrainingOptions { MaxSteps = 2, ValidationFolds = 0 });
        Assert.Equal(2, estimate.Steps);
        Assert.True(estimate.Time.Seconds > 0);
        TrainingEstimate longest = await trained.Model.EstimateAsync(options: new TrainingOptions { GradientCheckpointing = false });
        Assert.True(longest.Memory.PeakBytes > estimate.Memory.PeakBytes && longest.Time.Seconds is null);
        var tooLittle = new TrainingOptions { MaxMemory = 1 << 20 };
        Assert.False((await trained.Model.EstimateAsync(trained.Dataset, tooLittle)).Memory.Fits);
        var error = await Assert.ThrowsAnyAsync<TailoraException>(() => trained.Model.TrainAsync(trained.Dataset, tooLittle));
        Assert.Equal(TailoraErrorCode.OutOfMemory, error.Code);
    }

    [Fact]
    public async Task An_adapter_is_measured_against_its_base()
    {
        var events = new List<WorkPhase>();
        Evaluation evaluation = await trained.Model.EvaluateAsync(
            trained.Dataset, [(trained.Adapter, 1.0)], trained.Dataset, new EvaluateOptions { MemorizationSamples = 1 },
            new Reporter<TrainingProgress>(e => events.Add(e.Phase)));
        Assert.True(evaluation.Adapter!.Loss < evaluation.Base.Loss);
        Assert.Equal(1, evaluation.Memorization!.Outputs);
        Assert.Contains(WorkPhase.Validate, events);
        Evaluation alone = await trained.Model.EvaluateAsync(trained.Dataset);
        Assert.Null(alone.Adapter);
        Assert.Equal(evaluation.Base, alone.Base);
    }

    private async Task<string> Write(Adapter adapter)
    {
        using Session session = trained.Model.CreateSession();
        session.Attach(adapter);
        return (await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 60 })).Text;
    }
}
