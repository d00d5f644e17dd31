using System;
using System.Collections;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Tailora;

/// <summary>
/// What options may hold and JSON cannot say: NaN, a number that names no choice, half a character. It is refused as the library
/// refuses what JSON can say, with the option's name.
/// </summary>
internal static class OptionsCheck
{
    /// <summary>Deepest nesting of a schema: the library reads JSON of 128 levels, some of which are the options around it.</summary>
    internal const int DeepestSchema = 120;

    /// <exception cref="TailoraException">An option is none; the details have its name as <c>option</c>.</exception>
    internal static void Check(object options, JsonTypeInfo type, string place = "")
    {
        foreach (JsonPropertyInfo property in type.Properties)
        {
            if (property.Get?.Invoke(options) is { } value)
            {
                CheckValue(value, place + property.Name);
            }
        }
    }

    private static void CheckValue(object value, string option)
    {
        switch (value)
        {
            case double number when double.IsNaN(number) || double.IsInfinity(number):
                throw Refused(option, FormattableString.Invariant($"is {number}; expected a finite number"));
            case Enum choice when !Enum.IsDefined(choice.GetType(), choice):
                throw Refused(option, $"is {choice}, which is no {choice.GetType().Name}");
            case JsonElement { ValueKind: JsonValueKind.Undefined }:
                throw Refused(option, "is an undefined JsonElement; expected one out of a document, or null");
            case JsonElement element when !NestsAtMost(element, DeepestSchema):
                throw Refused(option, $"nests deeper than {DeepestSchema} levels");
            case string text:
                CheckText(text, option);
                break;
            case TargetModules modules:
                CheckText(modules.ToString(), option);
                break;
            case IEnumerable<KeyValuePair<string, double>> numbers:
                CheckMap(numbers, option);
                break;
            case IEnumerable<KeyValuePair<string, int>> counts:
                CheckMap(counts, option);
                break;
            case IEnumerable<KeyValuePair<string, JsonElement>> elements:
                CheckMap(elements, option);
                break;
            case IEnumerable items:
                CheckItems(items, option);
                break;
            default:
                if (OptionsJson.Default.GetTypeInfo(value.GetType()) is { Kind: JsonTypeInfoKind.Object } record)
                {
                    Check(value, record, option + ".");
                }

                break;
        }
    }

    private static void CheckMap<T>(IEnumerable<KeyValuePair<string, T>> map, string option)
        where T : struct
    {
        foreach (KeyValuePair<string, T> entry in map)
        {
            CheckText(entry.Key, option);
            CheckValue(entry.Value, $"{option}[{entry.Key}]");
        }
    }

    private static void CheckItems(IEnumerable items, string option)
    {
        int index = 0;
        foreach (object? item in items)
        {
            if (item is not null)
            {
                CheckValue(item, $"{option}[{index}]");
            }

            index++;
        }
    }

    private static void CheckText(string text, string option)
    {
        for (int i = 0; i < text.Length; i++)
        {
            bool pair = char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]);
            if (char.IsSurrogate(text[i]) && !pair)
            {
                throw Refused(option, $"has half a surrogate pair at {i}, which is no character");
            }

            i += pair ? 1 : 0;
        }
    }

    private static bool NestsAtMost(JsonElement element, int levels)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in element.EnumerateArray())
            {
                if (levels == 0 || !NestsAtMost(item, levels - 1))
                {
                    return false;
                }
            }
        }
        else if (element.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty member in element.EnumerateObject())
            {
                if (levels == 0 || !NestsAtMost(member.Value, levels - 1))
                {
                    return false;
                }
            }
        }

        return true;
    }

    private static TailoraException Refused(string option, string why)
    {
        // As the library's: the whole path up to the first list or map.
        string name = option.Split('[')[0];
        string details = JsonSerializer.Serialize(new Dictionary<string, string> { ["option"] = name }, OptionsJson.Default.DictionaryStringString);
        return new TailoraException(TailoraErrorCode.InvalidOptions, $"option `{option}` {why}", Json.Parse(details));
    }
}
