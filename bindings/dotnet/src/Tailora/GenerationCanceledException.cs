using System;
using System.Threading;

namespace Tailora;

/// <summary>A text that was cancelled while it was generated: what there was by then is not lost.</summary>
public sealed class GenerationCanceledException : OperationCanceledException
{
    internal GenerationCanceledException(Generation result, CancellationToken token)
        : base("The generation was cancelled; the exception's Result has the text up to there.", token)
    {
        Result = result;
    }

    /// <summary>The text up to there, with its token counts; its <see cref="Generation.FinishReason"/> is <c>cancelled</c> unless the text had just come to its end.</summary>
    public Generation Result { get; }
}
