using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Tailora.Native;
using Xunit;

namespace Tailora.Tests;

/// <summary>Finding the native library, and saying what is wrong when it is not there or not the right one.</summary>
public class LoadingTests
{
    [Fact]
    public void The_variable_wins_and_is_the_only_place() =>
        Assert.Equal(["/some/where/libtailora.so"], NativeLoader.Candidates("/some/where/libtailora.so", "/app"));

    [Fact]
    public void Without_it_the_packages_folder_the_programs_folder_and_the_systems_search_are_tried()
    {
        var candidates = NativeLoader.Candidates(null, "/app");
        Assert.Equal(Path.Combine("/app", "runtimes", NativePlatform.RuntimeIdentifier, "native", NativePlatform.FileName), candidates[0]);
        Assert.Equal(Path.Combine("/app", NativePlatform.FileName), candidates[1]);
        Assert.Equal(NativePlatform.FileName, candidates[2]);
    }

    [Fact]
    public void A_missing_library_lists_every_path_and_what_to_do()
    {
        string[] places = ["/no/such/folder/libtailora.so", "/no/such/other/libtailora.so", "tailora-is-not-installed-here"];
        var error = Assert.Throws<TailoraLibraryException>(() => NativeLoader.Open(places));
        Assert.Equal(TailoraErrorCode.LibraryUnavailable, error.Code);
        Assert.Equal(places.Length, error.Tried.Count);
        Assert.All(places, place => Assert.Contains(place, error.Message, StringComparison.Ordinal));
        Assert.Contains(NativeLoader.PathVariable, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_said_so()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write(NativePlatform.FileName, "not a library");
        var error = Assert.Throws<TailoraLibraryException>(() => NativeLoader.Open([path]));
        Assert.Contains(path + ": ", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("no such file", error.Message, StringComparison.Ordinal);
    }

    [CompilerFact]
    public void A_library_of_another_abi_is_refused_with_both_versions_and_the_file()
    {
        using var folder = new TemporaryFolder();
        string path = Compile(folder, $"unsigned tailora_abi_version(void) {{ return {((NativeLoader.ExpectedAbi >> 16) + 1) << 16 | 3}; }}");
        var error = Assert.Throws<TailoraLibraryException>(() => NativeLoader.Open([path]));
        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains($"{(NativeLoader.ExpectedAbi >> 16) + 1}.3", error.Message, StringComparison.Ordinal);
        Assert.Contains(NativeLoader.AbiText(NativeLoader.ExpectedAbi), error.Message, StringComparison.Ordinal);
    }

    [CompilerFact]
    public void A_later_minor_version_is_accepted()
    {
        using var folder = new TemporaryFolder();
        string path = Compile(folder, $"unsigned tailora_abi_version(void) {{ return {NativeLoader.ExpectedAbi + 1}; }}");
        Assert.Equal(NativeLoader.ExpectedAbi + 1, NativeLoader.Open([path]).Abi);
    }

    [CompilerFact]
    public void Another_library_is_no_tailora()
    {
        using var folder = new TemporaryFolder();
        string path = Compile(folder, "int answer(void) { return 42; }");
        Assert.Contains("is not a Tailora library", Assert.Throws<TailoraLibraryException>(() => NativeLoader.Open([path])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_diagnosis_names_the_library_in_use()
    {
        string text = TailoraNative.Diagnose();
        Assert.Contains("The native library is ready.", text, StringComparison.Ordinal);
        Assert.Contains(Environment.GetEnvironmentVariable(NativeLoader.PathVariable)!, text, StringComparison.Ordinal);
        Assert.Contains(TailoraNative.Version, text, StringComparison.Ordinal);
        Assert.Contains(TailoraNative.BuildInfo.GetProperty("devices").EnumerateArray().Select(device => device.GetString()), device => device == "cpu");
    }

    private static string Compile(TemporaryFolder folder, string source)
    {
        string library = Path.Combine(folder.FullName, NativePlatform.FileName);
        string file = folder.Write("library.c", source);
        using Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-o", library, file])!;
        compiler.WaitForExit();
        Assert.Equal(0, compiler.ExitCode);
        return library;
    }
}

/// <summary>A test that makes a library of its own, where there is a C compiler.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CompilerFactAttribute : FactAttribute
{
    /// <summary>Skips, saying why, where no <c>cc</c> is on the path.</summary>
    public CompilerFactAttribute()
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows) || !folders.Any(folder => File.Exists(Path.Combine(folder, "cc"))))
        {
            Skip = "there is no C compiler `cc` on the PATH";
        }
    }
}
