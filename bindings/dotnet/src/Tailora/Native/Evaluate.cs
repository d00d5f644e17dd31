using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Measuring adapters.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_evaluate(
        ModelHandle model,
        nint* adapters,
        double* scales,
        nuint count,
        DatasetHandle dataset,
        DatasetHandle training,
        byte* options_json,
        delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> progress,
        void* user,
        CancelHandle cancel,
        out StringHandle evaluation_json,
        out ErrorHandle err);
}
