using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Reads the library's results, with metadata made at compile time.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(Generation))]
[JsonSerializable(typeof(Report))]
[JsonSerializable(typeof(ScoredText))]
[JsonSerializable(typeof(TokenIds))]
[JsonSerializable(typeof(TokenText))]
internal sealed partial class ResultsJson : JsonSerializerContext;
