using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// The library itself. Declared with <c>DllImport</c> for both targets: netstandard2.0 has no <c>LibraryImport</c>, and numbers,
/// pointers and handles, which are all that is passed, are marshalled alike.
/// </summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>The name that <see cref="NativeLoader"/> resolves; .NET Framework, which cannot be told, looks for a module of this name.</summary>
    internal const string Library = "tailora_native";

    /// <summary>The ABI that these declarations were written for: <c>major &lt;&lt; 16 | minor</c>.</summary>
    internal const uint TAILORA_ABI_VERSION = (1 << 16) | 0;

    /// <summary>A stream has no more text.</summary>
    internal const int TAILORA_DONE = 1;

    /// <summary>The host asked to stop, and what was ready by then was given out.</summary>
    internal const int TAILORA_STOPPED = 2;

    [DllImport(Library, ExactSpelling = true)]
    internal static extern uint tailora_abi_version();

    [DllImport(Library, ExactSpelling = true)]
    internal static extern byte* tailora_version();

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_build_info(out StringHandle info_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern byte* tailora_status_name(int status);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_options_schema(byte* name, out StringHandle schema_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_options_from_file(byte* path, byte* name, out StringHandle options_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern ulong tailora_live_handles();

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_string_free(nint @string);
}
