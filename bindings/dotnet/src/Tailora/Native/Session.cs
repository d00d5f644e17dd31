using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Text and reports from a model through a stack of adapters.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_new(ModelHandle model, byte* options_json, out SessionHandle session, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_attach(SessionHandle session, AdapterHandle adapter, double scale, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_detach(SessionHandle session, AdapterHandle adapter, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_set_scale(SessionHandle session, AdapterHandle adapter, double scale, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_generate(
        SessionHandle session,
        byte* prompt,
        nuint prompt_len,
        byte* options_json,
        CancelHandle cancel,
        out StringHandle result_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_score(
        SessionHandle session,
        byte* prompt,
        nuint prompt_len,
        byte* completion,
        nuint completion_len,
        byte* options_json,
        CancelHandle cancel,
        out StringHandle score_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_report(
        SessionHandle session,
        byte* input,
        nuint input_len,
        byte* options_json,
        CancelHandle cancel,
        out StringHandle report_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_reset(SessionHandle session, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_session_free(nint session);
}
