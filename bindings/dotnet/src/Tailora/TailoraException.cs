using System;
using System.Collections.Generic;
using System.Text.Json;

namespace Tailora;

/// <summary>A failure that the native library reports: a code for programs, one sentence for people, facts as JSON.</summary>
public class TailoraException : Exception
{
    /// <summary>An exception from its parts.</summary>
    /// <param name="code">What kind of failure it was.</param>
    /// <param name="message">What was found, what was expected, what to do.</param>
    /// <param name="details">Facts for programs (path, row, column, tensor, shapes); a JSON object.</param>
    /// <param name="innerException">What caused it, if that was an exception.</param>
    public TailoraException(TailoraErrorCode code, string message, JsonElement details = default, Exception? innerException = null)
        : base(message, innerException)
    {
        Code = code;
        Details = details;
    }

    /// <summary>What kind of failure it was.</summary>
    public TailoraErrorCode Code { get; }

    /// <summary>
    /// The facts of the message for programs, as a JSON object; its kind is <see cref="JsonValueKind.Undefined"/> when there are none.
    /// </summary>
    public JsonElement Details { get; }

    private protected JsonElement? Detail(string name) =>
        Details.ValueKind == JsonValueKind.Object && Details.TryGetProperty(name, out JsonElement value) ? value : null;

    private protected long? Number(string name) =>
        Detail(name) is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out long value) ? value : null;

    private protected string? Text(string name) =>
        Detail(name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
}

/// <summary>A base model that cannot be loaded: missing or damaged files, an unsupported architecture, a broken tokenizer.</summary>
public sealed class ModelLoadException : TailoraException
{
    /// <inheritdoc cref="TailoraException(TailoraErrorCode, string, JsonElement, Exception)"/>
    public ModelLoadException(TailoraErrorCode code, string message, JsonElement details = default, Exception? innerException = null)
        : base(code, message, details, innerException)
    {
    }

    /// <summary>The file or directory it is about, if one is.</summary>
    public string? Path => Text("path");
}

/// <summary>An adapter that belongs to another base model.</summary>
public sealed class AdapterMismatchException : TailoraException
{
    /// <inheritdoc cref="TailoraException(TailoraErrorCode, string, JsonElement, Exception)"/>
    public AdapterMismatchException(TailoraErrorCode code, string message, JsonElement details = default, Exception? innerException = null)
        : base(code, message, details, innerException)
    {
    }

    /// <summary>The tensor that does not fit, if one was found.</summary>
    public string? Tensor => Text("tensor");
}

/// <summary>A CSV file that cannot be read as the dataset asked for.</summary>
public sealed class CsvFormatException : TailoraException
{
    /// <inheritdoc cref="TailoraException(TailoraErrorCode, string, JsonElement, Exception)"/>
    public CsvFormatException(TailoraErrorCode code, string message, JsonElement details = default, Exception? innerException = null)
        : base(code, message, details, innerException)
    {
    }

    /// <summary>The row it is about; 0 is the header, 1 the first below it. <c>null</c> when it is about the whole file.</summary>
    public long? Row => Number("row");

    /// <summary>The line in the file that it is about, as an editor counts; a row may have several.</summary>
    public long? Line => Number("line");

    /// <summary>The column it is about; <c>null</c> when it is about a whole row or file.</summary>
    public string? Column => Detail("column") is { ValueKind: not JsonValueKind.Null } column ? column.ToString() : null;
}

/// <summary>Training that cannot start, or that had to be given up.</summary>
public sealed class TrainingException : TailoraException
{
    /// <inheritdoc cref="TailoraException(TailoraErrorCode, string, JsonElement, Exception)"/>
    public TrainingException(TailoraErrorCode code, string message, JsonElement details = default, Exception? innerException = null)
        : base(code, message, details, innerException)
    {
    }

    /// <summary>
    /// What was learnt before the error came: the best adapter until then, and the summary. <c>null</c> when it came before the first
    /// step. Dispose it when it is not wanted.
    /// </summary>
    public TrainingResult? Result { get; init; }
}

/// <summary>The native library is missing, is no Tailora library, or is of another version than this binding.</summary>
public sealed class TailoraLibraryException : TailoraException
{
    /// <summary>An exception from its parts.</summary>
    /// <param name="message">What was found, what was expected, what to do.</param>
    /// <param name="tried">Every path that was tried, with what it gave.</param>
    public TailoraLibraryException(string message, IReadOnlyList<string> tried)
        : base(TailoraErrorCode.LibraryUnavailable, message)
    {
        Tried = tried;
    }

    /// <summary>Every path that was tried, with what it gave.</summary>
    public IReadOnlyList<string> Tried { get; }
}
