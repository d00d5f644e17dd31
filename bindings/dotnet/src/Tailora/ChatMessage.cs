using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>One turn of a conversation. Control tokens in it are text: whoever wrote it cannot speak for another role.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What was said.</param>
public sealed record ChatMessage(ChatRole Role, string Content);

/// <summary>Who speaks in a conversation.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ChatRole>))]
public enum ChatRole
{
    /// <summary>The role prompt.</summary>
    System,

    /// <summary>Who asks.</summary>
    User,

    /// <summary>The model.</summary>
    Assistant,

    /// <summary>What a tool gave that the model called.</summary>
    Tool,
}
