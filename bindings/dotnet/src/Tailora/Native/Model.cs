using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Base models.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_load(
        byte* path,
        byte* options_json,
        delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> progress,
        void* user,
        CancelHandle cancel,
        out ModelHandle model,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_info(ModelHandle model, out StringHandle info_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_count_tokens(ModelHandle model, byte* text, nuint text_len, out ulong count, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_tokenize(
        ModelHandle model,
        byte* text,
        nuint text_len,
        byte* options_json,
        out StringHandle ids_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_detokenize(
        ModelHandle model,
        uint* ids,
        nuint ids_len,
        byte* options_json,
        out StringHandle text_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_estimate(
        ModelHandle model,
        DatasetHandle dataset,
        byte* options_json,
        CancelHandle cancel,
        out StringHandle estimate_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_model_free(nint model);
}
