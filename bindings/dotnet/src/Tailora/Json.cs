using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tailora;

/// <summary>JSON in and out, without reflection: the binding works trimmed and compiled ahead of time.</summary>
internal static class Json
{
    /// <summary>Reads JSON that the native library wrote; empty text gives an undefined element.</summary>
    internal static JsonElement Parse(string json)
    {
        if (json.Length == 0)
        {
            return default;
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    /// <summary>Writes options as NUL-terminated UTF-8; <c>null</c> stays <c>null</c>, which means the defaults.</summary>
    /// <exception cref="TailoraException">An option is no number, choice, text or schema.</exception>
    internal static byte[]? Write<T>(T? options, JsonTypeInfo<T> type)
        where T : class
    {
        if (options is null)
        {
            return null;
        }

        if (type.Kind == JsonTypeInfoKind.Object)
        {
            OptionsCheck.Check(options, type);
        }

        // JSON escapes NUL, so the text holds none but the last.
        return [.. JsonSerializer.SerializeToUtf8Bytes(options, type), 0];
    }

    /// <summary>Reads a result that the native library wrote.</summary>
    internal static T Read<T>(string json, JsonTypeInfo<T> type)
        where T : class =>
        JsonSerializer.Deserialize(json, type)
        ?? throw new TailoraException(TailoraErrorCode.Internal, "the native library gave the JSON value null where an object was expected");
}
