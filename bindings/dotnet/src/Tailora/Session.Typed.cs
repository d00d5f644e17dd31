using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading;
using System.Threading.Tasks;

namespace Tailora;

/// <content>Answers and reports as values of a type.</content>
public sealed partial class Session
{
    /// <summary>A document can nest as deep as its text has tokens.</summary>
    private const int DeepestDocument = 1000;

    /// <summary>
    /// Answers a prompt with a value of a type, on a thread of its own. The text follows the type's JSON Schema, which is as tight as what can be
    /// read: numbers within their bounds, dates that exist, defined values of enums, and no members that the type does not have. A
    /// <see cref="System.ComponentModel.DescriptionAttribute"/> becomes a <c>description</c> of the schema.
    /// </summary>
    /// <typeparam name="T">A type that System.Text.Json reads, without converters of its own.</typeparam>
    /// <param name="prompt">The user's turn. It should say what is wanted: the model is not told the schema, only held to it.</param>
    /// <param name="type">How the type is read, of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/> or of options.</param>
    /// <param name="options">How to generate, <see cref="GenerateOptions.JsonSchema"/> aside; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="TailoraException">The type has no schema, or one that cannot be followed, such as of objects without end; the message names it.</exception>
    /// <exception cref="GenerationCanceledException"><paramref name="cancellationToken"/> was cancelled; it has the text up to there.</exception>
    /// <exception cref="System.OperationCanceledException">It was cancelled before anything was generated.</exception>
    public async Task<GeneratedValue<T>> GenerateAsync<T>(
        string prompt, JsonTypeInfo<T> type, GenerateOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(prompt, nameof(prompt));
        Argument.NotNull(type, nameof(type));
        GenerateOptions typed = (options ?? new GenerateOptions()) with { JsonSchema = TypeSchema.Of(type) };
        try
        {
            Generation generation = await GenerateAsync(prompt, typed, cancellationToken).ConfigureAwait(false);
            return new GeneratedValue<T>(Read(generation.Text, type), generation);
        }
        catch (TailoraException error) when (error.Code == TailoraErrorCode.Schema)
        {
            throw TypeSchema.Refused(typeof(T), error.Message, error.Details, error);
        }
    }

    /// <summary>Answers the last message of a conversation with a value of a type, on a thread of its own.</summary>
    /// <param name="messages">The conversation, in the place of <see cref="GenerateOptions.Messages"/>.</param>
    /// <inheritdoc cref="GenerateAsync{T}(string, JsonTypeInfo{T}, GenerateOptions, CancellationToken)"/>
    /// <param name="type">How the type is read, of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/> or of options.</param>
    /// <param name="options">How to generate, <see cref="GenerateOptions.JsonSchema"/> aside; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    public Task<GeneratedValue<T>> GenerateAsync<T>(
        IReadOnlyList<ChatMessage> messages, JsonTypeInfo<T> type, GenerateOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateAsync("", type, With(messages, options), cancellationToken);

    /// <summary>
    /// Writes a report on one input line of fields as a document of a type, on a thread of its own. Every free text of the document is a
    /// conclusion of <see cref="TypedReport{T}.Report"/>, with confidence and sources. The model is told the type's schema unless
    /// <see cref="ReportOptions.TellSchema"/> says otherwise.
    /// </summary>
    /// <typeparam name="T">A type that System.Text.Json reads, without converters of its own.</typeparam>
    /// <param name="input">The fields.</param>
    /// <param name="type">How the type is read, of a <see cref="System.Text.Json.Serialization.JsonSerializerContext"/> or of options.</param>
    /// <param name="options">How to write it, <see cref="ReportOptions.Schema"/> and <see cref="ReportOptions.Mode"/> aside; <c>null</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="TailoraException">The type has no schema, or one that cannot be followed, such as of objects without end; the message names it.</exception>
    /// <exception cref="System.OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public async Task<TypedReport<T>> GenerateReportAsync<T>(
        string input, JsonTypeInfo<T> type, ReportOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(input, nameof(input));
        Argument.NotNull(type, nameof(type));
        ReportOptions typed = (options ?? new ReportOptions()) with { Schema = TypeSchema.Of(type), Mode = ReportMode.Schema };
        try
        {
            Report report = await GenerateReportAsync(input, typed, cancellationToken).ConfigureAwait(false);
            return new TypedReport<T>(Read(report.Document?.GetRawText() ?? "", type), report);
        }
        catch (TailoraException error) when (error.Code == TailoraErrorCode.Schema)
        {
            throw TypeSchema.Refused(typeof(T), error.Message, error.Details, error);
        }
    }

    /// <summary>Reads a text that was held to the type's schema; what cannot be read all the same is that schema's fault.</summary>
    private static T Read<T>(string text, JsonTypeInfo<T> type)
    {
        try
        {
            var reader = new Utf8JsonReader(Encoding.UTF8.GetBytes(text), new JsonReaderOptions { MaxDepth = DeepestDocument });
            return JsonSerializer.Deserialize(ref reader, type)!;
        }
        catch (JsonException error)
        {
            throw new TailoraException(TailoraErrorCode.Schema, "what was written cannot be read as such: " + error.Message, innerException: error);
        }
    }
}
