using System;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tailora.Tests;

/// <summary>Where things are in the repository that these tests run in.</summary>
internal static class Repository
{
    internal static string Root { get; } = FindRoot();

    internal static string Header => Path.Combine(Root, "include", "tailora.h");

    internal static string Model => Path.Combine(Root, "samples", "models", "tailora-tiny");

    internal static string Csv => Path.Combine(Root, "samples", "data", "talent_review.csv");

    /// <summary>
    /// <c>cargo xtask test</c> names the library it built. A plain <c>dotnet test</c> takes the newest one under <c>target</c>.
    /// </summary>
    [ModuleInitializer]
    internal static void UseBuiltLibrary()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("TAILORA_NATIVE_LIBRARY")))
        {
            return;
        }

        string file = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? "tailora.dll"
            : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "libtailora.dylib" : "libtailora.so";
        string? newest = new[] { "debug", "release" }
            .Select(profile => Path.Combine(Root, "target", profile, file))
            .Where(File.Exists)
            .OrderByDescending(File.GetLastWriteTimeUtc)
            .FirstOrDefault();
        if (newest is not null)
        {
            Environment.SetEnvironmentVariable("TAILORA_NATIVE_LIBRARY", newest);
        }
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Cargo.toml")) && Directory.Exists(Path.Combine(folder.FullName, "bindings")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no repository above {AppContext.BaseDirectory}");
    }
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    internal TemporaryFolder() => Directory.CreateDirectory(FullName);

    internal string FullName { get; } = Path.Combine(Path.GetTempPath(), "tailora-" + Guid.NewGuid().ToString("N"));

    internal string Write(string name, string text)
    {
        string path = Path.Combine(FullName, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(FullName, recursive: true);
}
