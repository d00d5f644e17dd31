using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How adapters are evaluated. What is left <c>null</c> has the library's default.</summary>
public sealed record EvaluateOptions
{
    /// <summary>Tokens per row at most, prompt and completion together; longer rows are an error or left out, as the dataset says.</summary>
    public int? MaxLength { get; set; }

    /// <summary>Inputs that are answered, evenly over the rows, if the training rows are given; 4 by default, 0 leaves that out.</summary>
    [JsonPropertyName("memorisation_samples")]
    public int? MemorizationSamples { get; set; }
}
