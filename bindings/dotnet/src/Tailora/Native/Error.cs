using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Errors.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern byte* tailora_error_message(ErrorHandle error);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern byte* tailora_error_details(ErrorHandle error);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_error_free(nint error);
}
