namespace Tailora;

/// <summary>A value that a model wrote.</summary>
/// <typeparam name="T">Its type.</typeparam>
/// <param name="Value">The value.</param>
/// <param name="Generation">Its JSON, with finish reason and token counts.</param>
public sealed record GeneratedValue<T>(T Value, Generation Generation);
