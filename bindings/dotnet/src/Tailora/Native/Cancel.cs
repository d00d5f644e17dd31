using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Requests to stop.</summary>
internal static unsafe partial class NativeMethods
{
#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_cancel_new(out CancelHandle cancel, out ErrorHandle err);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_cancel_request(CancelHandle cancel);

#if NET8_0_OR_GREATER
    [LibraryImport(Library)]
    internal static partial
#else
    [DllImport(Library, ExactSpelling = true)]
    internal static extern
#endif
    int tailora_cancel_free(nint cancel);
}
