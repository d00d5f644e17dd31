using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>The library itself.</summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>The name that <see cref="NativeLoader"/> resolves.</summary>
    internal const string Library = "tailora";

    /// <summary>The ABI that these declarations were written for: <c>major &lt;&lt; 16 | minor</c>.</summary>
    internal const uint TAILORA_ABI_VERSION = (1 << 16) | 0;

    /// <summary>A stream has no more text.</summary>
    internal const int TAILORA_DONE = 1;

    /// <summary>The host asked to stop, and what was ready by then was given out.</summary>
    internal const int TAILORA_STOPPED = 2;

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    uint tailora_abi_version();

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    byte* tailora_version();

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_build_info(out StringHandle info_json, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    byte* tailora_status_name(int status);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_options_schema(byte* name, out StringHandle schema_json, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    ulong tailora_live_handles();

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_string_free(nint @string);
}
