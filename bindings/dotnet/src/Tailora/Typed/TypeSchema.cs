using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Linq;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;

namespace Tailora;

/// <summary>
/// The JSON Schema of a type, so tight that whatever it admits can be read as that type: System.Text.Json's own schemas say
/// <c>integer</c> of a byte and <c>string</c> of a date, and leave objects open for members that nobody reads.
/// </summary>
internal static class TypeSchema
{
    private static readonly JsonSchemaExporterOptions Exporting = new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Tighten };

    private static readonly ConditionalWeakTable<JsonTypeInfo, JsonDocument> Known = new();

    private static readonly HashSet<Type> Anything = [typeof(object), typeof(JsonElement), typeof(JsonDocument), typeof(JsonNode), typeof(JsonValue)];

    /// <exception cref="TailoraException">There is no such schema; the message names the type.</exception>
    internal static JsonElement Of(JsonTypeInfo type) => Known.GetValue(type, Export).RootElement;

    /// <summary>An error about the schema of a type.</summary>
    internal static TailoraException Refused(Type type, string why, JsonElement details = default, Exception? inner = null) =>
        new(TailoraErrorCode.Schema, $"the type {type} cannot be generated: {why}", details, inner);

    private static JsonDocument Export(JsonTypeInfo type)
    {
        try
        {
            return JsonDocument.Parse(type.GetJsonSchemaAsNode(Exporting).ToJsonString(), new JsonDocumentOptions { MaxDepth = OptionsCheck.DeepestSchema });
        }
        catch (Exception error) when (error is NotSupportedException or InvalidOperationException or JsonException)
        {
            throw Refused(type.Type, error.Message, inner: error);
        }
    }

    private static JsonNode Tighten(JsonSchemaExporterContext context, JsonNode node)
    {
        Type type = Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type;
        if (node is not JsonObject { Count: > 0 } schema)
        {
            return Anything.Contains(type)
                ? new JsonObject()
                : throw Refused(type, "it has a converter of its own, and nobody knows what JSON that reads; generate a type without one and convert that");
        }

        if (schema.ContainsKey("$ref"))
        {
            return schema;
        }

        JsonObject tight = type.IsEnum ? Choices(context.TypeInfo, type, schema)
            : TightSchemas.Of(type) is { } known ? OrNull(known, AllowsNull(schema))
            : Closed(context.TypeInfo, schema);
        if (Description(context) is { } description)
        {
            tight["description"] = description;
        }

        return tight;
    }

    /// <summary>
    /// Members that the type does not have might still be read as one of it, by another writing of its name. What it computes itself need
    /// not be written; only what has no parts is left out, since other places of the schema refer to parts.
    /// </summary>
    private static JsonObject Closed(JsonTypeInfo type, JsonObject schema)
    {
        if (type.Kind == JsonTypeInfoKind.Object && !schema.ContainsKey("anyOf"))
        {
            schema["additionalProperties"] = false;
            foreach (JsonPropertyInfo computed in type.Properties.Where(property => property.Set is null && property.AssociatedParameter is null))
            {
                if (schema["properties"] is JsonObject members && members[computed.Name] is JsonObject member && !member.Any(HasParts))
                {
                    members.Remove(computed.Name);
                }
            }
        }
        else if (type.Kind == JsonTypeInfoKind.Dictionary && type.KeyType is { } key && key != typeof(string))
        {
            schema["propertyNames"] = TightSchemas.OfKey(key, type.Options)
                ?? throw Refused(type.Type, $"keys of the type {key} are not supported; expected texts, whole numbers, enums, Guids or dates");
        }

        return schema;
    }

    /// <summary>The defined values of an enum, in the form in which its converter writes them.</summary>
    private static JsonObject Choices(JsonTypeInfo info, Type type, JsonObject schema)
    {
        if (schema.ContainsKey("enum"))
        {
            return schema;
        }

        bool nullable = AllowsNull(schema);
        bool named = Types(schema).Contains("string");
        List<JsonNode?> choices = [.. named ? TightSchemas.Written(type, info) : TightSchemas.Numbers(type)];
        if (named && choices.Exists(choice => choice!.GetValueKind() != JsonValueKind.String))
        {
            throw Refused(type, "a property writes its values with a converter of its own; give the converter to the type");
        }

        return new JsonObject { ["enum"] = new JsonArray([.. choices, .. nullable ? [null] : Array.Empty<JsonNode?>()]) };
    }

    private static bool HasParts(KeyValuePair<string, JsonNode?> keyword) =>
        keyword.Key is "properties" or "items" or "additionalProperties" or "anyOf" or "$ref";

    private static JsonObject OrNull(JsonObject schema, bool nullable)
    {
        if (nullable)
        {
            schema["type"] = new JsonArray(schema["type"]!.GetValue<string>(), "null");
        }

        return schema;
    }

    private static bool AllowsNull(JsonObject schema) =>
        Types(schema).Contains("null")
        || (schema["enum"] is JsonArray values && values.Any(value => value is null))
        || (schema["anyOf"] is JsonArray forms && forms.Any(form => form is JsonObject one && AllowsNull(one)));

    private static IEnumerable<string> Types(JsonObject schema) => schema["type"] switch
    {
        JsonArray several => several.Select(one => one!.GetValue<string>()),
        JsonValue one => [one.GetValue<string>()],
        _ => [],
    };

    /// <summary>What the model is told of a property or a type, where it is told the schema.</summary>
    private static string? Description(JsonSchemaExporterContext context)
    {
        ICustomAttributeProvider?[] places =
            [context.PropertyInfo?.AttributeProvider, context.PropertyInfo?.AssociatedParameter?.AttributeProvider, context.TypeInfo.Type];
        return places.SelectMany(place => place?.GetCustomAttributes(typeof(DescriptionAttribute), inherit: false) ?? [])
            .OfType<DescriptionAttribute>().FirstOrDefault()?.Description;
    }
}
