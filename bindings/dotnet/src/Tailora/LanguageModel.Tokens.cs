using System.Collections.Generic;
using Tailora.Native;

namespace Tailora;

/// <content>Texts as token ids and back.</content>
public sealed partial class LanguageModel
{
    /// <summary>The token ids of a text, without special tokens around it.</summary>
    /// <param name="text">Any text of at most 16 MiB; the empty one has none.</param>
    /// <param name="options">What control tokens in it are; <c>null</c> for text.</param>
    public unsafe IReadOnlyList<uint> Tokenize(string text, TokenizeOptions? options = null)
    {
        Argument.NotNull(text, nameof(text));
        byte[] bytes = Utf8Text.Bytes(text);
        fixed (byte* start = bytes)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.TokenizeOptions))
        {
            int status = NativeMethods.tailora_model_tokenize(
                Handle, start, (nuint)bytes.Length, how, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return Json.Read(json.Take(), ResultsJson.Default.TokenIds).Ids;
        }
    }

    /// <summary>The text of token ids; bytes that are no whole character become U+FFFD.</summary>
    /// <param name="ids">Token ids of the model's vocabulary.</param>
    /// <param name="options">What becomes of control tokens; <c>null</c> to leave them out.</param>
    public unsafe string Detokenize(IReadOnlyList<uint> ids, TokenizeOptions? options = null)
    {
        Argument.NotNull(ids, nameof(ids));
        uint[] all = [.. ids];
        fixed (uint* start = all)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.TokenizeOptions))
        {
            int status = NativeMethods.tailora_model_detokenize(
                Handle, start, (nuint)all.Length, how, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return Json.Read(json.Take(), ResultsJson.Default.TokenText).Text;
        }
    }
}

/// <summary>What the native library makes of a text.</summary>
internal sealed record TokenIds(uint[] Ids);

/// <summary>What the native library makes of token ids.</summary>
internal sealed record TokenText(string Text);
