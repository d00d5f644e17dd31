using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>What a base model is, and how it was loaded.</summary>
public sealed record ModelInfo
{
    /// <summary>Its name: <see cref="ModelOptions.Name"/>, or that of its folder or file.</summary>
    public string Name { get; init; } = "";

    /// <summary>The folder or file that it was loaded from.</summary>
    public string Path { get; init; } = "";

    /// <summary>Its architecture as transformers calls it, such as <c>qwen2</c>.</summary>
    public string ModelType { get; init; } = "";

    /// <summary>Tokens that the model can say.</summary>
    public long VocabSize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public long HiddenSize { get; init; }

    /// <summary>Width of the feed-forward layers.</summary>
    public long IntermediateSize { get; init; }

    /// <summary>Layers.</summary>
    public long NumHiddenLayers { get; init; }

    /// <summary>Attention heads of a layer.</summary>
    public long NumAttentionHeads { get; init; }

    /// <summary>Heads of a layer that have keys and values of their own.</summary>
    public long NumKeyValueHeads { get; init; }

    /// <summary>Width of an attention head.</summary>
    public long HeadDim { get; init; }

    /// <summary>Tokens of prompt and completion together that the model was made for.</summary>
    public long MaxPositionEmbeddings { get; init; }

    /// <summary>The token that a text begins with; <c>null</c> if it has none.</summary>
    public uint? BosTokenId { get; init; }

    /// <summary>The tokens that end a text.</summary>
    public IReadOnlyList<uint> EosTokenIds { get; init; } = [];

    /// <summary>Whether it has a chat template; prompts of one without are taken as they are.</summary>
    public bool ChatTemplate { get; init; }

    /// <summary>The day that a chat template may tell, as <c>2026-11-28</c>.</summary>
    public string Date { get; init; } = "";

    /// <summary>Where it computes: <c>cpu</c>, <c>cuda:0</c>.</summary>
    public string Device { get; init; } = "";

    /// <summary>The type of number in which it computes: <c>f32</c>, <c>bf16</c>.</summary>
    public string Dtype { get; init; } = "";

    /// <summary>The type in which keys and values of tokens that were read are kept: <c>f32</c>, <c>f16</c>, <c>q8_0</c>, or <c>bf16</c>.</summary>
    public string KvCacheDtype { get; init; } = "";

    /// <summary>The type to which its weights were quantized while loading; <c>null</c> if they were not.</summary>
    public string? Quantize { get; init; }

    /// <summary>How many matrices are kept in each type.</summary>
    public IReadOnlyDictionary<string, long> WeightTypes { get; init; } = new Dictionary<string, long>();

    /// <summary>Sentences on what else is worth knowing about its files.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Threads that it computes with.</summary>
    public int Threads { get; init; }

    /// <summary>Its tensors.</summary>
    public long Tensors { get; init; }

    /// <summary>Bytes that its tensors take in memory.</summary>
    public long Bytes { get; init; }

    /// <summary>Tokens of its tokenizer.</summary>
    public long TokenizerVocabSize { get; init; }

    /// <summary>SHA-256 of its tokenizer, in hexadecimal.</summary>
    [JsonPropertyName("tokenizer_sha256")]
    public string TokenizerSha256 { get; init; } = "";

    /// <summary>The info as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static ModelInfo FromJson(string json) => Json.Read(json, ResultsJson.Default.ModelInfo) with { RawJson = json };
}
