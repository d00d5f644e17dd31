using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>What a registry holds.</summary>
public sealed record RegistryContent
{
    /// <summary>All versions, in the order in which they were published.</summary>
    public IReadOnlyList<PublishedVersion> Versions { get; init; } = [];

    /// <summary>All aliases, by name.</summary>
    public IReadOnlyList<RegistryAlias> Aliases { get; init; } = [];

    /// <summary>The list as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static RegistryContent FromJson(string json) => Json.Read(json, ResultsJson.Default.RegistryContent) with { RawJson = json };
}

/// <summary>A published version of an adapter.</summary>
public sealed record PublishedVersion
{
    /// <summary>The version's name, as in <c>hr_review-20261123-n842-r16-3f9c</c>.</summary>
    public string Version { get; init; } = "";

    /// <summary>When it was published.</summary>
    public DateTimeOffset Published { get; init; }

    /// <summary>When the adapter was trained or merged, where that is known.</summary>
    public DateTimeOffset? Created { get; init; }

    /// <summary>Rows that it was trained on, where they are known.</summary>
    public long? Rows { get; init; }

    /// <summary>Rank.</summary>
    public int R { get; init; }

    /// <summary>The base model's name.</summary>
    public string Base { get; init; } = "";

    /// <summary>SHA-256 of the base model's weights, in hexadecimal, where it is known.</summary>
    [JsonPropertyName("base_sha256")]
    public string? BaseSha256 { get; init; }

    /// <summary>SHA-256 of the adapter's tensors, in hexadecimal.</summary>
    [JsonPropertyName("adapter_sha256")]
    public string AdapterSha256 { get; init; } = "";

    /// <summary>What the host kept with it: <see cref="PublishOptions.Extra"/>.</summary>
    public IReadOnlyDictionary<string, JsonElement> Extra { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>The version as the library wrote it; empty within a list.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static PublishedVersion FromJson(string json) => Json.Read(json, ResultsJson.Default.PublishedVersion) with { RawJson = json };
}

/// <summary>What an alias stands for.</summary>
public sealed record RegistryAlias
{
    /// <summary>The alias.</summary>
    public string Alias { get; init; } = "";

    /// <summary>The versions that it stands for: one with the share 1, or several.</summary>
    public IReadOnlyList<VersionShare> Shares { get; init; } = [];

    /// <summary>Since when.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>The number of its last change.</summary>
    public long Number { get; init; }

    /// <summary>How it came to stand for that.</summary>
    public AliasAction Action { get; init; }

    /// <summary>The number of the change that a rollback restores; <c>null</c> if there is none.</summary>
    public long? Before { get; init; }
}

/// <summary>One change of an alias.</summary>
public sealed record AliasChange
{
    /// <summary>From 1; no number is missing and none is there twice.</summary>
    public long Number { get; init; }

    /// <summary>When it was made.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>What was done.</summary>
    public AliasAction Action { get; init; }

    /// <summary>What the alias stands for since.</summary>
    public IReadOnlyList<VersionShare> Shares { get; init; } = [];

    /// <summary>The number of the change that a rollback from here restores; <c>null</c> if there is none.</summary>
    public long? Before { get; init; }

    /// <summary>The change as the library wrote it; empty within a list.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static AliasChange FromJson(string json) => Json.Read(json, ResultsJson.Default.AliasChange) with { RawJson = json };
}

/// <summary>How an alias came to stand for what it does.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<AliasAction>))]
public enum AliasAction
{
    /// <summary>It was given something new to stand for.</summary>
    Promote,

    /// <summary>It was given back what it stood for before.</summary>
    Rollback,
}

/// <summary>A version, and the share of employees that it is for.</summary>
/// <param name="Version">The version's name.</param>
/// <param name="Share">Above 0; all shares of an alias add up to 1.</param>
public sealed record VersionShare(string Version, double Share);

/// <summary>A line of a registry's audit.</summary>
public sealed record AuditLine
{
    /// <summary>When the report was written.</summary>
    public DateTimeOffset Time { get; init; }

    /// <summary>Whom it is about: a salted hash, in hexadecimal.</summary>
    public string IdHash { get; init; } = "";

    /// <summary>The version that wrote it.</summary>
    public string Version { get; init; } = "";

    /// <summary>The alias by which the version was found, where there was one.</summary>
    public string? Alias { get; init; }

    /// <summary>The seed of its generation.</summary>
    public ulong Seed { get; init; }
}
