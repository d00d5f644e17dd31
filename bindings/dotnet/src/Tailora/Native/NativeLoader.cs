using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// Finds and opens the native library, on the first call that needs it and never in a static constructor:
/// what goes wrong there arrives as a <see cref="TypeInitializationException"/> that names nothing.
/// </summary>
internal static unsafe class NativeLoader
{
    /// <summary>The environment variable that names the library's file; when set, nothing else is tried.</summary>
    internal const string PathVariable = "TAILORA_NATIVE_LIBRARY";

    /// <summary>The ABI these declarations were written for: <c>major &lt;&lt; 16 | minor</c>.</summary>
    internal const uint ExpectedAbi = NativeMethods.TAILORA_ABI_VERSION;

    private static readonly object Gate = new();
    private static volatile NativeImage? loaded;

    /// <summary>The library in use, or <c>null</c> before the first successful <see cref="EnsureLoaded"/>.</summary>
    internal static NativeImage? Loaded => loaded;

    /// <summary>Opens the library unless it is open. A failure is not remembered: the next call tries again.</summary>
    /// <exception cref="TailoraLibraryException">No usable library; every path tried is named.</exception>
    internal static void EnsureLoaded()
    {
        if (loaded is not null)
        {
            return;
        }

        lock (Gate)
        {
            if (loaded is null)
            {
                NativeImage image = Open(Candidates(Environment.GetEnvironmentVariable(PathVariable), AppContext.BaseDirectory));
                NativePlatform.Bind(image.Handle);
                loaded = image;
            }
        }
    }

    /// <summary>Where the library may be, best first. The bare name at the end is the platform's own search.</summary>
    internal static IReadOnlyList<string> Candidates(string? configured, string baseDirectory)
    {
        if (!string.IsNullOrWhiteSpace(configured))
        {
            return [configured!];
        }

        string file = NativePlatform.FileName;
        return
        [
            Path.Combine(baseDirectory, "runtimes", NativePlatform.RuntimeIdentifier, "native", file),
            Path.Combine(baseDirectory, file),
            file,
        ];
    }

    /// <summary>Opens the first candidate that loads; one that loads but is wrong ends the search.</summary>
    internal static NativeImage Open(IReadOnlyList<string> candidates)
    {
        List<string> tried = [];
        foreach (string candidate in candidates)
        {
            bool isPath = Path.GetFileName(candidate) != candidate;
            if (isPath && !File.Exists(candidate))
            {
                tried.Add($"{candidate}: no such file");
            }
            else if (NativePlatform.TryLoad(candidate, out nint handle, out string reason))
            {
                string path = isPath ? candidate : NativePlatform.PathOf(candidate);
                return new NativeImage(handle, path, CheckAbi(handle, path));
            }
            else
            {
                tried.Add(isPath ? $"{candidate}: {reason}" : $"{candidate} (the platform's own search): {reason}");
            }
        }

        throw new TailoraLibraryException(
            $"the native Tailora library was not found for {NativePlatform.RuntimeIdentifier}. Tried:\n  - "
            + string.Join("\n  - ", tried)
            + $"\nAdd the package with the native library, or set {PathVariable} to the full path of {NativePlatform.FileName}.",
            tried);
    }

    private static uint CheckAbi(nint handle, string path)
    {
        nint export = NativePlatform.FindExport(handle, "tailora_abi_version");
        if (export == 0)
        {
            throw new TailoraLibraryException($"{path} is not a Tailora library: it exports no tailora_abi_version", [path]);
        }

        uint found = ((delegate* unmanaged[Cdecl]<uint>)export)();
        if (!IsCompatible(found))
        {
            throw new TailoraLibraryException(
                $"{path} has ABI {AbiText(found)}; this binding needs ABI {AbiText(ExpectedAbi)} "
                + "or a later minor version of it. Use the binding and the native library of one release.",
                [path]);
        }

        return found;
    }

    private static bool IsCompatible(uint found) =>
        found >> 16 == ExpectedAbi >> 16 && (found & 0xffff) >= (ExpectedAbi & 0xffff);

    internal static string AbiText(uint version) => $"{version >> 16}.{version & 0xffff}";
}

/// <summary>An opened native library.</summary>
internal sealed record NativeImage(nint Handle, string Path, uint Abi);
