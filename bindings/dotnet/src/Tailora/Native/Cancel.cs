using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Requests to stop.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_cancel_new(out CancelHandle cancel, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_cancel_request(CancelHandle cancel);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_cancel_free(nint cancel);
}
