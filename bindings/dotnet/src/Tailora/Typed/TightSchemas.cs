using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;

namespace Tailora;

/// <summary>What System.Text.Json reads as each of its plain types, or a part of that: no year 0, no offset beyond a day's ends.</summary>
internal static class TightSchemas
{
    private const string Days = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
    private const string LeapDays = "([1-8][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29";
    private const string Date = "([1-8][0-9]{3}-" + Days + "|" + LeapDays + ")";
    private const string Clock = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,7})?";
    private const string Offset = "(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])";
    private const string Instant = Date + "(T" + Clock + Offset + "?)?";
    private const string Span = "-?([1-9][0-9]{0,6}\\.)?" + Clock;
    private const string Hex = "[0-9a-fA-F]";
    private const string Id = Hex + "{8}(-" + Hex + "{4}){3}-" + Hex + "{12}";
    private const string Base64 = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?";
    private const string Address = "https?://[a-z0-9]{1,40}(\\.[a-z0-9]{1,40}){1,3}(/[A-Za-z0-9._~-]{0,40}){0,8}";

    private static readonly Dictionary<Type, Func<JsonObject>> Known = new()
    {
        [typeof(sbyte)] = () => Whole(sbyte.MinValue, sbyte.MaxValue),
        [typeof(byte)] = () => Whole(byte.MinValue, byte.MaxValue),
        [typeof(short)] = () => Whole(short.MinValue, short.MaxValue),
        [typeof(ushort)] = () => Whole(ushort.MinValue, ushort.MaxValue),
        [typeof(int)] = () => Whole(int.MinValue, int.MaxValue),
        [typeof(uint)] = () => Whole(uint.MinValue, uint.MaxValue),
        [typeof(long)] = () => Whole(long.MinValue, long.MaxValue),
        [typeof(ulong)] = () => Whole(ulong.MinValue, ulong.MaxValue),
        [typeof(float)] = Number,
        [typeof(double)] = Number,
        [typeof(decimal)] = Number,
        [typeof(char)] = () => Text("[ -\uD7FF\uE000-\uFFFD]"),
        [typeof(DateTime)] = () => Text(Instant),
        [typeof(DateTimeOffset)] = () => Text(Instant),
        [typeof(TimeSpan)] = () => Text(Span),
        [typeof(Guid)] = () => Text(Id),
        [typeof(Uri)] = () => Text(Address),
        [typeof(Version)] = () => Text("[0-9]{1,9}(\\.[0-9]{1,9}){1,3}"),
        [typeof(byte[])] = () => Text(Base64),
        [typeof(Memory<byte>)] = () => Text(Base64),
        [typeof(ReadOnlyMemory<byte>)] = () => Text(Base64),
    };

    /// <summary>By name, since netstandard2.0 has none of them, and programs that use its assembly may.</summary>
    private static readonly Dictionary<string, Func<JsonObject>> Newer = new()
    {
        ["System.Half"] = () => new JsonObject { ["type"] = "number", ["minimum"] = -65504, ["maximum"] = 65504 },
        ["System.Int128"] = () => new JsonObject { ["type"] = "integer" },
        ["System.UInt128"] = () => new JsonObject { ["type"] = "integer", ["minimum"] = 0 },
        ["System.DateOnly"] = () => Text(Date),
        ["System.TimeOnly"] = () => Text(Clock),
    };

    /// <summary>The schema of a plain type; <c>null</c> for all others.</summary>
    internal static JsonObject? Of(Type type) =>
        Known.TryGetValue(type, out Func<JsonObject>? schema) || Newer.TryGetValue(type.FullName ?? "", out schema) ? schema() : null;

    /// <summary>The schema of a dictionary's keys, which are texts in JSON whatever they are here; <c>null</c> for keys that are not supported.</summary>
    internal static JsonObject? OfKey(Type type, JsonSerializerOptions options)
    {
        if (type.IsEnum)
        {
            JsonNode?[] written = [.. Written(type, options.GetTypeInfo(type))];
            bool named = Array.TrueForAll(written, value => value!.GetValueKind() == JsonValueKind.String);
            return new JsonObject { ["enum"] = new JsonArray(named ? written : [.. Enum.GetNames(type).Select(name => JsonValue.Create(name))]) };
        }

        JsonObject? schema = Of(type);
        return schema?["maximum"] is { } most ? Digits(schema["minimum"]!, most) : schema?["pattern"] is null ? null : schema;
    }

    /// <summary>The defined values of an enum as the serializer writes them.</summary>
    internal static IEnumerable<JsonNode?> Written(Type type, JsonTypeInfo info) =>
        Values(type).Select(value => JsonSerializer.SerializeToNode(Enum.ToObject(type, value), info)).GroupBy(value => value!.ToJsonString()).Select(same => same.First());

    /// <summary>The defined values of an enum as numbers.</summary>
    internal static IEnumerable<JsonNode?> Numbers(Type type) =>
        Values(type).Distinct().Select(value => value is ulong large ? JsonValue.Create(large) : JsonValue.Create(Convert.ToInt64(value)));

    private static IEnumerable<object> Values(Type type) =>
#if NET8_0_OR_GREATER
        Enum.GetValuesAsUnderlyingType(type).Cast<object>();
#else
        Enum.GetValues(type).Cast<object>().Select(value => Convert.ChangeType(value, Enum.GetUnderlyingType(type)));
#endif

    private static JsonObject Whole(decimal least, decimal most) => new() { ["type"] = "integer", ["minimum"] = least, ["maximum"] = most };

    private static JsonObject Number() => new() { ["type"] = "number" };

    private static JsonObject Text(string pattern) => new() { ["type"] = "string", ["pattern"] = "^(" + pattern + ")$" };

    /// <summary>A whole number in quotes, with so few digits that every one is within the bounds.</summary>
    private static JsonObject Digits(JsonNode least, JsonNode most)
    {
        int digits = Math.Max(1, most.GetValue<decimal>().ToString(CultureInfo.InvariantCulture).Length - 1);
        return Text((least.GetValue<decimal>() < 0 ? "-?" : "") + "(0|[1-9][0-9]{0," + (digits - 1) + "})");
    }
}
