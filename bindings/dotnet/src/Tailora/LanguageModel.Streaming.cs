using System;
using System.Collections.Generic;
using System.Threading;

namespace Tailora;

/// <content>Streams that bring their own session, for handlers that return the stream and are gone.</content>
public sealed partial class LanguageModel
{
    /// <summary>
    /// Answers a prompt chunk by chunk, as <see cref="Session.StreamAsync(string, GenerateOptions?, CancellationToken)"/> does, in a session of
    /// the stream's own that goes with it: nothing is left to dispose, also if nobody ever reads. Model and adapters may be disposed meanwhile.
    /// </summary>
    /// <param name="prompt">The user's turn.</param>
    /// <param name="adapters">Adapters of this model, each with its scale; they are attached at once.</param>
    /// <param name="options">How to generate; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="AdapterMismatchException">An adapter belongs to another base model.</exception>
    public GenerationStream StreamAsync(
        string prompt,
        IEnumerable<(Adapter Adapter, double Scale)>? adapters = null,
        GenerateOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(prompt, nameof(prompt));
        Session session = CreateSession();
        try
        {
            foreach ((Adapter adapter, double scale) in adapters ?? [])
            {
                session.Attach(adapter, scale);
            }

            return new GenerationStream(session.Handle, ownsSession: true, prompt, options, cancellationToken);
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Answers the last message of a conversation chunk by chunk, in a session of the stream's own.</summary>
    /// <param name="messages">The conversation, in the place of <see cref="GenerateOptions.Messages"/>.</param>
    /// <inheritdoc cref="StreamAsync(string, IEnumerable{ValueTuple{Adapter, double}}, GenerateOptions, CancellationToken)"/>
    /// <param name="adapters">Adapters of this model, each with its scale; they are attached at once.</param>
    /// <param name="options">How to generate; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    public GenerationStream StreamAsync(
        IReadOnlyList<ChatMessage> messages,
        IEnumerable<(Adapter Adapter, double Scale)>? adapters = null,
        GenerateOptions? options = null,
        CancellationToken cancellationToken = default) =>
        StreamAsync("", adapters, Session.With(messages, options), cancellationToken);
}
