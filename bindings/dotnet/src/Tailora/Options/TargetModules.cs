using System;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Which linear layers an adapter adapts: all, a list of names, or a regular expression over full names, as in PEFT.</summary>
[JsonConverter(typeof(Converter))]
public sealed class TargetModules
{
    private readonly string[]? names;
    private readonly string? pattern;

    private TargetModules(string[]? names, string? pattern) => (this.names, this.pattern) = (names, pattern);

    /// <summary>Every linear layer but the output head.</summary>
    public static TargetModules AllLinear { get; } = new(null, "all-linear");

    /// <summary>Layers by name; each name matches a full name or its end after a dot.</summary>
    /// <param name="names">Such as <c>q_proj</c>, or <c>model.layers.0.mlp.up_proj</c>.</param>
    public static TargetModules Named(params string[] names)
    {
        Argument.NotNull(names, nameof(names));
        return new TargetModules([.. names], null);
    }

    /// <summary>Layers whose whole name a regular expression matches.</summary>
    /// <param name="pattern">Such as <c>.*\.layers\.[0-3]\..*_proj</c>.</param>
    public static TargetModules Matching(string pattern)
    {
        Argument.NotNull(pattern, nameof(pattern));
        return new TargetModules(null, pattern);
    }

    /// <summary>The names or the pattern, for people.</summary>
    public override string ToString() => pattern ?? $"[{string.Join(", ", names!)}]";

    /// <summary>A list as an array, a pattern as a string: PEFT's own form.</summary>
    internal sealed class Converter : JsonConverter<TargetModules>
    {
        public override TargetModules Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (reader.TokenType == JsonTokenType.String)
            {
                return Matching(reader.GetString()!);
            }

            using JsonDocument list = JsonDocument.ParseValue(ref reader);
            return Named([.. list.RootElement.EnumerateArray().Select(name => name.GetString()!)]);
        }

        public override void Write(Utf8JsonWriter writer, TargetModules value, JsonSerializerOptions options)
        {
            if (value.pattern is not null)
            {
                writer.WriteStringValue(value.pattern);
                return;
            }

            writer.WriteStartArray();
            foreach (string name in value.names!)
            {
                writer.WriteStringValue(name);
            }

            writer.WriteEndArray();
        }
    }
}
