using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>The types of results against what the library writes: no key without a property, and no property without a key.</summary>
[Collection(NativeCollection.Name)]
public class ResultsTests(Trained trained)
{
    [Fact]
    public async Task Every_key_has_a_property_and_the_other_way_round()
    {
        using var folder = new TemporaryFolder();
        string At(string name) => Path.Combine(folder.FullName, name);
        string csv = folder.Write("rows.csv", "id,input,output\n1,岗位:P7,好。 \n1,岗位:P7,好。 \n2,岗位:P8,TODO\n");
        using (Dataset dataset = Dataset.OpenCsv(csv, new DatasetOptions { RepairedCopy = At("copy.csv"), GroupBy = "id" }))
        {
            Same(dataset.Info.RawJson, typeof(DatasetInfo));
        }

        var options = new BatchOptions { Report = new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 2 } } };
        Same((await trained.Model.BatchAsync(csv, At("job"), options: options)).RawJson, typeof(BatchSummary));
        Same((await trained.Model.BatchAsync(csv, At("shard"), options: options with { Shard = new Shard() })).RawJson, typeof(BatchSummary));
        Same(ReportFile.Merge([At("shard")], At("merged.jsonl")).RawJson, typeof(MergeSummary));

        using AdapterRegistry registry = AdapterRegistry.Create(At("registry"));
        PublishedVersion version = registry.Publish(trained.Adapter);
        Same(version.RawJson, typeof(PublishedVersion), "schema");
        Same(registry.Promote("production", version.Version).RawJson, typeof(AliasChange));
        Same(registry.List().RawJson, typeof(RegistryContent), "schema");

        using Session session = trained.Model.CreateSession();
        Report report = await session.GenerateReportAsync(Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 40 } });
        report.SaveDocx(At("x.docx"), "E1", Trained.Line);
        Same(ReviewedDocument.Read(At("x.docx")).RawJson, typeof(ReviewedDocument));
    }

    [Fact]
    public async Task What_training_and_its_measures_give_has_every_key_and_no_other()
    {
        using var folder = new TemporaryFolder();
        string At(string name) => Path.Combine(folder.FullName, name);
        Same([trained.Model.Info.RawJson], typeof(ModelInfo));
        Same([trained.Adapter.Info.RawJson], typeof(AdapterInfo));

        string rows = string.Concat(Enumerable.Range(1, 9).Select(row => $"岗位:P{row},该员工表现{row}。\n"));
        string csv = folder.Write("long.csv", $"input,output\n{rows}{new string('甲', 90)},{new string('好', 40)}\n");
        using Dataset cut = Dataset.OpenCsv(csv, new DatasetOptions { LongRows = LongRowPolicy.Truncate, MaxLength = 64 });
        Same([cut.Preview(trained.Model, 10).RawJson], typeof(RowPreview));

        var few = new TrainingOptions { R = 1, MaxSteps = 2, MemorizationSamples = 1, CalibrationRows = 4 };
        using TrainingResult folds = await trained.Model.TrainAsync(cut, few with { OutputDir = At("run") });
        using TrainingResult stopped = await StoppedAsync(cut, few with { MaxSteps = 200, ValidationFolds = 0 });
        Assert.Equal((TrainingStopReason.Completed, TrainingStopReason.Canceled), (folds.Summary.StopReason, stopped.Summary.StopReason));
        Same([folds.Summary.RawJson, stopped.Summary.RawJson, Failed], typeof(TrainingSummary));
        Assert.Equal((TailoraErrorCode.Training, 3), (TrainingSummary.FromJson(Failed).Error!.Code, TrainingSummary.FromJson(Failed).Error!.Details.GetProperty("step").GetInt32()));

        TrainingEstimate limited = await trained.Model.EstimateAsync(cut, few with { MaxMemory = 1L << 40 });
        Same([limited.RawJson, (await trained.Model.EstimateAsync(options: few)).RawJson], typeof(TrainingEstimate));
        Evaluation evaluation = await trained.Model.EvaluateAsync(cut, [(trained.Adapter, 1.0)], cut, new EvaluateOptions { MemorizationSamples = 1 });
        Same([evaluation.RawJson, (await trained.Model.EvaluateAsync(cut)).RawJson], typeof(Evaluation));
    }

    /// <summary>The one part of a summary that only a defect of the machine brings about.</summary>
    private const string Failed = """{"error":{"code":-60,"message":"the loss is not finite","details":{"step":3}}}""";

    private async Task<TrainingResult> StoppedAsync(Dataset dataset, TrainingOptions options)
    {
        using var source = new CancellationTokenSource();
        var stop = new Reporter<TrainingProgress>(e =>
        {
            if (e.Phase == WorkPhase.Train && e.Step >= 1)
            {
                source.Cancel();
            }
        });
        return (await Assert.ThrowsAsync<TrainingCanceledException>(() => trained.Model.TrainAsync(dataset, options, stop, source.Token))).Result;
    }

    private static void Same(string json, Type type, params string[] notShown)
    {
        var walk = new Comparison(notShown);
        walk.Compare(JsonDocument.Parse(json).RootElement, type, type.Name);
        Assert.Empty(walk.Missing);

        // What may be null may be left out.
        Assert.Empty(walk.Unwritten(optional: false));
    }

    /// <summary>As the other one, over several results that together have everything: what may be null must have been something once.</summary>
    private static void Same(string[] results, Type type)
    {
        var walk = new Comparison([]);
        Array.ForEach(results, json => walk.Compare(JsonDocument.Parse(json).RootElement, type, type.Name));
        Assert.Empty(walk.Missing);
        Assert.Empty(walk.Unwritten(optional: true).Except(Never));
    }

    /// <summary>What no result here has: a token that texts begin with, a quantized base, right conclusions after a few steps, and what only one of two results says.</summary>
    private static readonly string[] Never =
    [
        "ModelInfo.bos_token_id", "ModelInfo.quantize", "TrainingEstimate.memory.process_peak_bytes", "TrainingSummary.calibration.auc", "Evaluation.memorisation.note",
        "TrainingSummary.memory.max_memory", "TrainingSummary.memory.available_bytes", "TrainingSummary.memory.fits",
    ];

    /// <summary>Walks through JSON and a type side by side.</summary>
    private sealed class Comparison(string[] notShown)
    {
        private readonly Dictionary<string, bool> written = [];
        private readonly HashSet<string> optional = [];

        /// <summary>Keys without a property.</summary>
        internal SortedSet<string> Missing { get; } = [];

        /// <summary>Properties that never had a key with a value.</summary>
        internal IEnumerable<string> Unwritten(bool optional) =>
            written.Where(property => !property.Value && (optional || !this.optional.Contains(property.Key))).Select(property => property.Key).Order();

        internal void Compare(JsonElement value, Type type, string place)
        {
            JsonTypeInfo info = ResultsJson.Default.GetTypeInfo(type)!;
            if (value.ValueKind == JsonValueKind.Array && info.Kind == JsonTypeInfoKind.Enumerable)
            {
                Type item = type.IsArray ? type.GetElementType()! : type.GetGenericArguments()[0];
                foreach (JsonElement element in value.EnumerateArray())
                {
                    Compare(element, item, place + "[]");
                }
            }
            else if (value.ValueKind == JsonValueKind.Object && info.Kind == JsonTypeInfoKind.Object)
            {
                CompareObject(value, info, place);
            }
        }

        private void CompareObject(JsonElement value, JsonTypeInfo info, string place)
        {
            Dictionary<string, JsonPropertyInfo> properties = info.Properties
                .Where(property => property.Name is not ("RawJson" or "raw_json")).ToDictionary(property => property.Name);
            foreach (JsonPropertyInfo property in properties.Values)
            {
                string at = $"{place}.{property.Name}";
                written[at] = written.GetValueOrDefault(at) || (value.TryGetProperty(property.Name, out JsonElement found) && found.ValueKind != JsonValueKind.Null);
                if (!property.PropertyType.IsValueType || Nullable.GetUnderlyingType(property.PropertyType) is not null)
                {
                    optional.Add(at);
                }
            }

            foreach (JsonProperty key in value.EnumerateObject().Where(key => !notShown.Contains(key.Name)))
            {
                if (properties.TryGetValue(key.Name, out JsonPropertyInfo? property))
                {
                    Compare(key.Value, property.PropertyType, $"{place}.{key.Name}");
                }
                else
                {
                    Missing.Add($"no property for {place}.{key.Name}");
                }
            }
        }
    }
}
