using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Training.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_train(
        ModelHandle model,
        DatasetHandle dataset,
        byte* options_json,
        delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> progress,
        void* user,
        CancelHandle cancel,
        out AdapterHandle adapter,
        out StringHandle summary_json,
        out ErrorHandle err);
}
