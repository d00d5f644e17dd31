using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Tailora.Native;

namespace Tailora;

/// <summary>The native library itself: where it is, what it can do, why it does not load.</summary>
public static class TailoraNative
{
    /// <summary>The package version of the native library.</summary>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    public static unsafe string Version
    {
        get
        {
            NativeLoader.EnsureLoaded();
            return Utf8Text.Read(NativeMethods.tailora_version());
        }
    }

    /// <summary>How the native library was built and what it finds on this machine: <c>version</c>, <c>features</c>, <c>devices</c>, <c>threads</c>.</summary>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    public static JsonElement BuildInfo
    {
        get
        {
            NativeLoader.EnsureLoaded();
            int status = NativeMethods.tailora_build_info(out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return Json.Parse(json.Take());
        }
    }

    /// <summary>How many native objects this process holds; 0 once everything is disposed. For finding leaks.</summary>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    public static long LiveHandles
    {
        get
        {
            NativeLoader.EnsureLoaded();
            return (long)NativeMethods.tailora_live_handles();
        }
    }

    /// <summary>The JSON Schema of a set of options, with every option's meaning, default and range.</summary>
    /// <param name="name"><c>model</c>, <c>adapter</c>, <c>dataset</c>, <c>train</c>, <c>evaluate</c>, <c>session</c>, <c>generate</c>, <c>score</c>, <c>report</c>, <c>tokenize</c>, <c>batch</c>, <c>publish</c> or <c>docx</c>.</param>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    public static unsafe JsonElement OptionsSchema(string name)
    {
        Argument.NotNull(name, nameof(name));
        NativeLoader.EnsureLoaded();
        fixed (byte* which = Utf8Text.Terminated(name, nameof(name)))
        {
            int status = NativeMethods.tailora_options_schema(which, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return Json.Parse(json.Take());
        }
    }

    /// <summary>Says in words whether the native library loads here, from where, and if not, what stops it. Never throws.</summary>
    public static string Diagnose()
    {
        var text = new StringBuilder();
        text.AppendLine($"Platform: {NativePlatform.RuntimeIdentifier}, {RuntimeInformation.FrameworkDescription.Trim()}");
        text.AppendLine($"Binding: needs ABI {NativeLoader.AbiText(NativeLoader.ExpectedAbi)}");
        string? configured = Environment.GetEnvironmentVariable(NativeLoader.PathVariable);
        text.AppendLine($"{NativeLoader.PathVariable}: {(string.IsNullOrWhiteSpace(configured) ? "not set" : configured)}");
        try
        {
            NativeLoader.EnsureLoaded();
            NativeImage image = NativeLoader.Loaded!;
            text.AppendLine($"Library: {image.Path}");
            text.AppendLine($"Version: {Version}, ABI {NativeLoader.AbiText(image.Abi)}");
            text.AppendLine($"Build: {BuildInfo.GetRawText()}");
            text.Append("The native library is ready.");
        }
        catch (Exception error)
        {
            text.Append($"The native library cannot be used: {error.Message}");
        }

        return text.ToString();
    }
}
