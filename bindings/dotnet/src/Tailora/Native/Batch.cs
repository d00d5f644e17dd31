using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Many reports as one job.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_batch_run(
        ModelHandle model,
        nint* adapters,
        double* scales,
        nuint count,
        byte* input,
        byte* job,
        byte* options_json,
        delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> progress,
        void* user,
        CancelHandle cancel,
        out StringHandle summary_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_batch_merge(byte** jobs, nuint count, byte* output, out StringHandle summary_json, out ErrorHandle err);
}
