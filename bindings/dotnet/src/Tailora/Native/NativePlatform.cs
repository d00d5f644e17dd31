using System;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>What differs between platforms in opening a library: names, and who does the opening.</summary>
internal static partial class NativePlatform
{
    /// <summary>
    /// The library's file name here. On Windows not the one it is built under: <c>tailora.dll</c> and the assembly
    /// <c>Tailora.dll</c> are one file there, and both belong into the program's folder.
    /// </summary>
    internal static string FileName =>
        IsWindows ? NativeMethods.Library + ".dll" : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "libtailora.dylib" : "libtailora.so";

    /// <summary>The portable runtime identifier, as in <c>runtimes/linux-x64/native</c>.</summary>
    internal static string RuntimeIdentifier
    {
        get
        {
            string system = IsWindows ? "win" : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "osx" : IsMusl ? "linux-musl" : "linux";
            return $"{system}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";
        }
    }

    /// <summary>The file that a bare name was resolved to, for messages; the name itself if the system does not tell.</summary>
    internal static string PathOf(string name)
    {
        using Process self = Process.GetCurrentProcess();
        foreach (ProcessModule module in self.Modules)
        {
            using (module)
            {
                if (string.Equals(Path.GetFileName(module.FileName), FileName, StringComparison.OrdinalIgnoreCase))
                {
                    return module.FileName!;
                }
            }
        }

        return name;
    }

    private static bool IsWindows => RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    private static bool IsMusl => File.Exists($"/lib/ld-musl-{(RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "aarch64" : "x86_64")}.so.1")
        && !File.Exists("/lib64/ld-linux-x86-64.so.2") && !File.Exists("/lib/ld-linux-aarch64.so.1");

    private static Assembly Self => typeof(NativePlatform).Assembly;
}
