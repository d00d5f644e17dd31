using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How a report is written and measured. What is left <c>null</c> has the library's default.</summary>
public sealed record ReportOptions
{
    /// <summary>A scenario that gives role prompt and schema: a built-in one such as <c>policy_qa.zh</c>, or the path of a file. What else is said here comes before what it says.</summary>
    public string? Pack { get; set; }

    /// <summary>What the input is; by default JSON with passages, or text beside <see cref="Passages"/>, is text, and all else fields.</summary>
    public ReportInput? Input { get; set; }

    /// <summary>Passages that a conclusion on a text may rest on: of a handbook, of several interviewers.</summary>
    public IReadOnlyList<Passage>? Passages { get; set; }

    /// <summary>How the model writes its conclusions; by default <see cref="ReportMode.Schema"/> if a schema is given, else <see cref="ReportMode.Text"/>.</summary>
    public ReportMode? Mode { get; set; }

    /// <summary>
    /// The JSON Schema of the document in schema mode; by default a built-in one with a report and its conclusions. Its <c>x-tailora-</c>
    /// marks, in docs/packs.md, say where fields, confidences and sources go.
    /// </summary>
    public JsonElement? Schema { get; set; }

    /// <summary>Tell the model the schema, before the case; true by default. Not for adapters trained to write such documents from the case alone.</summary>
    public bool? TellSchema { get; set; }

    /// <summary>Most conclusions in the report, from 1 to 64; 8 by default.</summary>
    public int? MaxConclusions { get; set; }

    /// <summary>
    /// Measure what each conclusion owes to each field: the report is written again with up to five other values of the field, in batches;
    /// true by default. Without it, the sources are the fields that a conclusion names.
    /// </summary>
    public bool? Influence { get; set; }

    /// <summary>Fields that must not matter, such as a name or a gender; <see cref="Report.Bias"/> says where one does.</summary>
    public IReadOnlyList<string>? Protected { get; set; }

    /// <summary>What must not be said, and what must; <see cref="Report.Rules"/> says where a report breaks them.</summary>
    public HouseRules? Rules { get; set; }

    /// <summary>A file of words, in YAML or JSON, by which conclusions are told apart and sentences cut.</summary>
    public string? Lexicon { get; set; }

    /// <summary>How the text is generated, role prompt included.</summary>
    public GenerateOptions? Generate { get; set; }
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

/// <summary>What a report is on.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ReportInput>))]
public enum ReportInput
{
    /// <summary>A line, an object or a table of fields.</summary>
    Fields,

    /// <summary>Text, alone or with passages.</summary>
    Text,
}

/// <summary>A passage that a conclusion may rest on.</summary>
public sealed record Passage
{
    /// <summary>What sources call it: <c>§ 12</c>, <c>interviewer B</c>.</summary>
    public string Id { get; set; } = "";

    /// <summary>What it says.</summary>
    public string Text { get; set; } = "";
}
