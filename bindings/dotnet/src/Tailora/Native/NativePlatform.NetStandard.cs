#if !NET8_0_OR_GREATER
using System;
using System.ComponentModel;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// .NET Core 3 to 7 have <c>NativeLibrary</c>, which netstandard2.0 cannot name: it is reached by reflection. .NET Framework
/// binds a declaration to a module of that name which is already loaded, so loading it by its path is enough.
/// </summary>
internal static partial class NativePlatform
{
    private static readonly Type? Modern = Type.GetType("System.Runtime.InteropServices.NativeLibrary", throwOnError: false);
    private static IntPtr bound;
    private static bool registered;

    internal static bool TryLoad(string nameOrPath, out nint handle, out string reason)
    {
        reason = "";
        handle = 0;
        try
        {
            if (Modern is not null)
            {
                MethodInfo load = Modern.GetMethod("Load", [typeof(string), typeof(Assembly), typeof(DllImportSearchPath?)])!;
                handle = (IntPtr)load.Invoke(null, [nameOrPath, Self, null])!;
            }
            else if (IsWindows && !string.Equals(Path.GetFileName(nameOrPath), FileName, StringComparison.OrdinalIgnoreCase))
            {
                reason = $"on .NET Framework the file must have the name {FileName}";
            }
            else if (IsWindows)
            {
                handle = LoadLibrary(nameOrPath);
                reason = handle == 0 ? new Win32Exception(Marshal.GetLastWin32Error()).Message : "";
            }
            else
            {
                reason = "this runtime can open native libraries on Windows only; use .NET 8 or later";
            }
        }
        catch (TargetInvocationException error) when (error.InnerException is DllNotFoundException or BadImageFormatException)
        {
            reason = error.InnerException.Message.Replace('\r', ' ').Replace('\n', ' ').Trim();
        }

        return handle != 0;
    }

    internal static nint FindExport(nint handle, string name)
    {
        if (Modern is null)
        {
            return GetProcAddress(handle, name);
        }

        object?[] arguments = [(IntPtr)handle, name, IntPtr.Zero];
        return (bool)Modern.GetMethod("TryGetExport")!.Invoke(null, arguments)! ? (IntPtr)arguments[2]! : IntPtr.Zero;
    }

    /// <summary>Makes the declarations of <see cref="NativeMethods"/> resolve to <paramref name="handle"/>.</summary>
    internal static void Bind(nint handle)
    {
        bound = handle;
        if (Modern is not null && !registered)
        {
            MethodInfo register = Modern.GetMethod("SetDllImportResolver")!;
            MethodInfo resolve = typeof(NativePlatform).GetMethod(nameof(Resolve), BindingFlags.NonPublic | BindingFlags.Static)!;
            register.Invoke(null, [Self, Delegate.CreateDelegate(register.GetParameters()[1].ParameterType, resolve)]);
            registered = true;
        }
    }

    private static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name == NativeMethods.Library ? bound : IntPtr.Zero;

    [DllImport("kernel32", EntryPoint = "LoadLibraryW", CharSet = CharSet.Unicode, ExactSpelling = true, SetLastError = true)]
    private static extern IntPtr LoadLibrary(string path);

    [DllImport("kernel32", CharSet = CharSet.Ansi, ExactSpelling = true, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern IntPtr GetProcAddress(IntPtr module, string name);
}
#endif
