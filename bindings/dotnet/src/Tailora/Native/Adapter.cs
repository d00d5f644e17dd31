using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>LoRA adapters.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_load(ModelHandle model, byte* path, byte* options_json, out AdapterHandle adapter, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_save(AdapterHandle adapter, byte* path, byte* options_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_info(AdapterHandle adapter, out StringHandle info_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_merge(
        nint* adapters,
        double* scales,
        nuint count,
        byte* options_json,
        out AdapterHandle merged,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_recalibrate(
        AdapterHandle adapter,
        byte** paths,
        nuint count,
        out AdapterHandle recalibrated,
        out StringHandle summary_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_adapter_free(nint adapter);
}
