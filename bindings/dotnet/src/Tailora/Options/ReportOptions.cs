using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How a report is written and measured. What is left <c>null</c> has the library's default.</summary>
public sealed record ReportOptions
{
    /// <summary>How the model writes its conclusions; by default <see cref="ReportMode.Schema"/> if a schema is given, else <see cref="ReportMode.Text"/>.</summary>
    public ReportMode? Mode { get; init; }

    /// <summary>
    /// The JSON Schema of the document in schema mode; by default a built-in one with a report and its conclusions. Where it says
    /// <c>"x-tailora-enum": "fields"</c>, the value is one of the names of the input's fields.
    /// </summary>
    public JsonElement? Schema { get; init; }

    /// <summary>Most conclusions in the report, from 1 to 64; 8 by default.</summary>
    public int? MaxConclusions { get; init; }

    /// <summary>
    /// Measure what each conclusion owes to each field: the report is written again with up to five other values of the field, in batches;
    /// true by default. Without it, the sources are the fields that a conclusion names.
    /// </summary>
    public bool? Influence { get; init; }

    /// <summary>Fields that must not matter, such as a name or a gender; <see cref="Report.Bias"/> says where one does.</summary>
    public IReadOnlyList<string>? Protected { get; init; }

    /// <summary>How the text is generated, role prompt included.</summary>
    public GenerateOptions? Generate { get; init; }
}

/// <summary>How the model writes the conclusions of a report.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ReportMode>))]
public enum ReportMode
{
    /// <summary>A plain comment, as the adapter was trained on; its sentences are the conclusions.</summary>
    Text,

    /// <summary>A JSON document; the model says of each conclusion what kind it is and which field it rests on.</summary>
    Schema,
}
