namespace Tailora;

/// <summary>A report whose document has a type.</summary>
/// <typeparam name="T">The document's type.</typeparam>
/// <param name="Document">The document.</param>
/// <param name="Report">The report around it, whose conclusions are the document's texts, with confidences and sources.</param>
public sealed record TypedReport<T>(T Document, Report Report);
