using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How reports are written as a Word file. What is left <c>null</c> has the library's default.</summary>
public sealed record DocxOptions
{
    /// <summary>Whose insertions and comments the draft's are; <c>Tailora (AI)</c> by default.</summary>
    public string? Author { get; set; }

    /// <summary>When the draft was inserted, as <c>2026-11-23T10:00:00Z</c>; by default left out, so that the same reports give the same bytes.</summary>
    public string? Date { get; set; }

    /// <summary>The language of the words around the report; Chinese by default.</summary>
    public DocxLanguage? Language { get; set; }

    /// <summary>
    /// A house template (.docx or .dotx) with places for the report: content controls with the tags, or bookmarks with the names, <c>title</c>,
    /// <c>fields</c>, <c>report</c> and <c>note</c>; <c>report</c> must be there.
    /// </summary>
    public string? Template { get; set; }
}

/// <summary>The language of the words that a Word file has besides the report's own.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<DocxLanguage>))]
public enum DocxLanguage
{
    /// <summary>Chinese.</summary>
    Zh,

    /// <summary>English.</summary>
    En,
}
