using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>What a LoRA adapter is; the names are PEFT's where it has them.</summary>
public sealed record AdapterInfo
{
    /// <summary>Its name.</summary>
    public string Name { get; init; } = "";

    /// <summary>Its version, as in <c>20261123-n842-r16-3f9c</c>; of one that was made elsewhere the start of <see cref="Sha256"/>.</summary>
    public string Version { get; init; } = "";

    /// <summary>SHA-256 of its tensors, in hexadecimal.</summary>
    [JsonPropertyName("sha256")]
    public string Sha256 { get; init; } = "";

    /// <summary>Its rank.</summary>
    public int R { get; init; }

    /// <summary>Its output is scaled by this over <see cref="R"/>.</summary>
    public double LoraAlpha { get; init; }

    /// <summary>Whether the scale is alpha over the square root of the rank instead.</summary>
    public bool UseRslora { get; init; }

    /// <summary>Share of the inputs that a training step dropped.</summary>
    public double LoraDropout { get; init; }

    /// <summary>The linear layers that it was asked to adapt.</summary>
    public TargetModules TargetModules { get; init; } = TargetModules.AllLinear;

    /// <summary>The kinds of linear layers that it adapts.</summary>
    public IReadOnlyList<string> AdaptedModules { get; init; } = [];

    /// <summary>How many linear layers it adapts.</summary>
    public long AdaptedLayers { get; init; }

    /// <summary>Its trained numbers.</summary>
    public long Parameters { get; init; }

    /// <summary>The base model that its configuration names.</summary>
    public string? BaseModelNameOrPath { get; init; }

    /// <summary>Whether the model that it was loaded for has another name.</summary>
    public bool BaseModelNameDiffers { get; init; }

    /// <summary>The base model that it is loaded for.</summary>
    public AdapterBase Base { get; init; } = new();

    /// <summary>Sentences on what else is worth knowing about it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Its <c>tailora.json</c>, a JSON object: when it was made, the training's summary as <c>metrics</c>, the calibration.</summary>
    public JsonElement Manifest { get; init; }

    /// <summary>The info as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static AdapterInfo FromJson(string json) => Json.Read(json, ResultsJson.Default.AdapterInfo) with { RawJson = json };
}

/// <summary>The base model of an adapter.</summary>
public sealed record AdapterBase
{
    /// <summary>The model's name.</summary>
    public string Name { get; init; } = "";

    /// <summary>SHA-256 of its weights, in hexadecimal.</summary>
    [JsonPropertyName("sha256")]
    public string Sha256 { get; init; } = "";
}
