using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Errors.</summary>
internal static unsafe partial class NativeMethods
{
#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    byte* tailora_error_message(ErrorHandle error);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    byte* tailora_error_details(ErrorHandle error);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_error_free(nint error);
}
