using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>LoRA adapters.</summary>
internal static unsafe partial class NativeMethods
{
#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_adapter_load(ModelHandle model, byte* path, byte* options_json, out AdapterHandle adapter, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_adapter_save(AdapterHandle adapter, byte* path, byte* options_json, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_adapter_info(AdapterHandle adapter, out StringHandle info_json, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_adapter_merge(
        nint* adapters,
        double* scales,
        nuint count,
        byte* options_json,
        out AdapterHandle merged,
        out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_adapter_free(nint adapter);
}
