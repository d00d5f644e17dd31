using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Writes options as the native library reads them: its names, and nothing for what was left <c>null</c>.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    MaxDepth = OptionsCheck.DeepestSchema + 12)]
[JsonSerializable(typeof(ModelOptions))]
[JsonSerializable(typeof(DatasetOptions))]
[JsonSerializable(typeof(TrainingOptions))]
[JsonSerializable(typeof(AdapterOptions))]
[JsonSerializable(typeof(EvaluateOptions))]
[JsonSerializable(typeof(SessionOptions))]
[JsonSerializable(typeof(GenerateOptions))]
[JsonSerializable(typeof(ScoreOptions))]
[JsonSerializable(typeof(ReportOptions))]
[JsonSerializable(typeof(TokenizeOptions))]
[JsonSerializable(typeof(BatchOptions))]
[JsonSerializable(typeof(PublishOptions))]
[JsonSerializable(typeof(DocxOptions))]
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class OptionsJson : JsonSerializerContext;

/// <summary>Writes <c>ReportMode.Schema</c> as <c>"schema"</c>.</summary>
internal sealed class SnakeCaseEnumConverter<T>() : JsonStringEnumConverter<T>(JsonNamingPolicy.SnakeCaseLower, allowIntegerValues: false)
    where T : struct, Enum;
