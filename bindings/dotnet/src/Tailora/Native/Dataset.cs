using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>CSV rows as training examples.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_dataset_open_csv(
        byte* path,
        byte* options_json,
        delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> progress,
        void* user,
        CancelHandle cancel,
        out DatasetHandle dataset,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_dataset_info(DatasetHandle dataset, out StringHandle info_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_dataset_preview(
        DatasetHandle dataset,
        ModelHandle model,
        ulong row,
        out StringHandle preview_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_dataset_free(nint dataset);
}
