using System;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>Reads a number of bytes, or a text such as <c>12 GiB</c>, which options files may have; writes the number.</summary>
internal sealed class ByteSizeConverter : JsonConverter<long>
{
    private static readonly (string Unit, double Factor)[] Units =
    [
        ("kib", 1L << 10), ("mib", 1L << 20), ("gib", 1L << 30), ("tib", 1L << 40), ("kb", 1e3), ("mb", 1e6), ("gb", 1e9), ("tb", 1e12), ("b", 1),
    ];

    public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number)
        {
            return reader.GetInt64();
        }

        string text = reader.GetString()!.Trim();
        foreach ((string unit, double factor) in Units)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase)
                && double.TryParse(text.Substring(0, text.Length - unit.Length), NumberStyles.Float, CultureInfo.InvariantCulture, out double number))
            {
                return (long)(number * factor);
            }
        }

        throw new JsonException($"'{text}' is no number of bytes.");
    }

    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
}

/// <summary>Reads <c>"auto"</c>, the default that options files may spell out, as <c>null</c>.</summary>
internal sealed class AutoOrBooleanConverter : JsonConverter<bool?>
{
    public override bool? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("auto") ? null : reader.GetBoolean();

    public override void Write(Utf8JsonWriter writer, bool? value, JsonSerializerOptions options) => writer.WriteBooleanValue(value!.Value);
}

/// <summary>The JSON value <c>null</c>, which in options means another thing than leaving them out, as a text that stands for it.</summary>
internal sealed class AllColumnsConverter : JsonConverter<string>
{
    public override bool HandleNull => true;

    public override string Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? BatchOptions.AllColumns : reader.GetString()!;

    public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options)
    {
        if (value == BatchOptions.AllColumns)
        {
            writer.WriteNullValue();
        }
        else
        {
            writer.WriteStringValue(value);
        }
    }
}
