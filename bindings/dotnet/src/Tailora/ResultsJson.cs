using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Reads the library's results, and writes what it takes of them again, with metadata made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    MaxDepth = 1024)] // a report's document may nest as deep as it is long
[JsonSerializable(typeof(Generation))]
[JsonSerializable(typeof(Report))]
[JsonSerializable(typeof(ScoredText))]
[JsonSerializable(typeof(TokenIds))]
[JsonSerializable(typeof(TokenText))]
[JsonSerializable(typeof(ModelInfo))]
[JsonSerializable(typeof(AdapterInfo))]
[JsonSerializable(typeof(DatasetInfo))]
[JsonSerializable(typeof(RowPreview))]
[JsonSerializable(typeof(TrainingSummary))]
[JsonSerializable(typeof(TrainingEstimate))]
[JsonSerializable(typeof(Evaluation))]
[JsonSerializable(typeof(BatchSummary))]
[JsonSerializable(typeof(MergeSummary))]
[JsonSerializable(typeof(PublishedVersion))]
[JsonSerializable(typeof(AliasChange))]
[JsonSerializable(typeof(AliasChange[]))]
[JsonSerializable(typeof(VersionShare[]))]
[JsonSerializable(typeof(RegistryContent))]
[JsonSerializable(typeof(AuditLine[]))]
[JsonSerializable(typeof(WrittenCase[]))]
[JsonSerializable(typeof(ReviewedDocument))]
[JsonSerializable(typeof(Recalibration))]
[JsonSerializable(typeof(string[]))]
internal sealed partial class ResultsJson : JsonSerializerContext;
