#if NET8_0_OR_GREATER
using System;
using System.Runtime.InteropServices;

namespace Tailora.Native;

internal static partial class NativePlatform
{
    private static nint bound;
    private static bool registered;

    internal static bool TryLoad(string nameOrPath, out nint handle, out string reason)
    {
        reason = "";
        try
        {
            handle = NativeLibrary.Load(nameOrPath, Self, null);
            return true;
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException)
        {
            handle = 0;
            reason = error.Message.ReplaceLineEndings(" ").Trim();
            return false;
        }
    }

    internal static nint FindExport(nint handle, string name) =>
        NativeLibrary.TryGetExport(handle, name, out nint address) ? address : 0;

    /// <summary>Makes the declarations of <see cref="NativeMethods"/> resolve to <paramref name="handle"/>.</summary>
    internal static void Bind(nint handle)
    {
        bound = handle;
        if (!registered)
        {
            NativeLibrary.SetDllImportResolver(Self, static (name, _, _) => name == NativeMethods.Library ? bound : 0);
            registered = true;
        }
    }
}
#endif
