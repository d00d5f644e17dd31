namespace Tailora.Extensions.AI;

/// <summary>How a chat client shares a model between calls.</summary>
public sealed class TailoraChatClientOptions
{
    /// <summary>
    /// How many calls are answered at the same time, each in a session of its own; 8 by default. The library reads them together, so each
    /// one slows the others a little, and takes memory for its conversation.
    /// </summary>
    public int MaxConcurrency { get; set; } = 8;

    /// <summary>How many calls may wait for their turn; 64 by default. One more gets a <see cref="TailoraBusyException"/>.</summary>
    public int MaxQueue { get; set; } = 64;

    /// <summary>Most tokens of conversation and answer together; by default what the model was made for.</summary>
    public int? ContextLength { get; set; }
}
