using System;
using System.Text;

namespace Tailora.Native;

/// <summary>UTF-8 in and out of native memory, the same on every target. Nothing here keeps a pointer.</summary>
internal static unsafe class Utf8Text
{
    // Refuses a lone surrogate instead of sending a replacement character to the model.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The bytes of <paramref name="text"/>, as the C side takes them beside a length.</summary>
    internal static byte[] Bytes(string text) => Strict.GetBytes(text);

    /// <summary>The same with a NUL at the end; <c>null</c> stays <c>null</c>, which <c>fixed</c> turns into a null pointer.</summary>
    /// <exception cref="ArgumentException">The text holds a NUL, which would cut it short.</exception>
    internal static byte[]? Terminated(string? text, string parameter)
    {
        if (text is null)
        {
            return null;
        }

        if (text.IndexOf('\0') >= 0)
        {
            throw new ArgumentException("The text holds a NUL character.", parameter);
        }

        byte[] bytes = new byte[Strict.GetByteCount(text) + 1];
        Strict.GetBytes(text, 0, text.Length, bytes, 0);
        return bytes;
    }

    /// <summary>Copies NUL-terminated text; a null pointer gives the empty string.</summary>
    internal static string Read(byte* text)
    {
        if (text is null)
        {
            return "";
        }

        int length = 0;
        while (text[length] != 0)
        {
            length = checked(length + 1);
        }

        return Encoding.UTF8.GetString(text, length);
    }

    /// <summary>Copies text of a known length.</summary>
    internal static string Read(byte* text, nuint length) =>
        length == 0 ? "" : Encoding.UTF8.GetString(text, checked((int)length));
}
