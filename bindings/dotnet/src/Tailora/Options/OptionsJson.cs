using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Writes options as the native library reads them: its names, and nothing for what was left <c>null</c>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ModelOptions))]
[JsonSerializable(typeof(DatasetOptions))]
[JsonSerializable(typeof(TrainingOptions))]
[JsonSerializable(typeof(SessionOptions))]
[JsonSerializable(typeof(GenerateOptions))]
[JsonSerializable(typeof(ReportOptions))]
internal sealed partial class OptionsJson : JsonSerializerContext;
