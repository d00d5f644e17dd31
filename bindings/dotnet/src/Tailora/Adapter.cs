using System;
using System.Collections.Generic;
using System.Linq;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// A LoRA adapter of one base model, in PEFT's format on disk. Immutable, so any number of threads and sessions may use one
/// at the same time. Disposing it while it is attached is safe: the session keeps what it needs.
/// </summary>
public sealed class Adapter : IDisposable
{
    private readonly AdapterHandle handle;

    internal Adapter(AdapterHandle handle) => this.handle = handle;

    /// <summary>What the adapter is: its name and version, its PEFT configuration, what it adapts.</summary>
    /// <exception cref="ObjectDisposedException">The adapter was disposed.</exception>
    public AdapterInfo Info
    {
        get
        {
            int status = NativeMethods.tailora_adapter_info(Handle, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return AdapterInfo.FromJson(json.Take());
        }
    }

    internal AdapterHandle Handle => handle.IsClosed ? throw new ObjectDisposedException(nameof(Adapter)) : handle;

    /// <summary>Loads an adapter in PEFT's format.</summary>
    /// <param name="model">The base model that it belongs to.</param>
    /// <param name="path">The directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    /// <param name="options">How it is loaded.</param>
    /// <exception cref="AdapterMismatchException">The adapter belongs to another base model.</exception>
    /// <exception cref="TailoraException">Missing or damaged files.</exception>
    public static unsafe Adapter Load(LanguageModel model, string path, AdapterOptions? options = null)
    {
        Argument.NotNull(model, nameof(model));
        Argument.NotNull(path, nameof(path));
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.AdapterOptions))
        {
            int status = NativeMethods.tailora_adapter_load(model.Handle, where, how, out AdapterHandle adapter, out ErrorHandle error);
            Failure.Check(status, error);
            return new Adapter(adapter);
        }
    }

    /// <summary>
    /// Makes one adapter of several, exactly: attached with scale 1 it gives what the stack gave. Its rank is the sum of theirs.
    /// </summary>
    /// <param name="stack">Adapters of one base model, each with the scale it would be attached with.</param>
    public static unsafe Adapter Merge(params (Adapter Adapter, double Scale)[] stack)
    {
        Argument.NotNull(stack, nameof(stack));
        AdapterHandle[] handles = [.. stack.Select(entry => (entry.Adapter ?? throw new ArgumentNullException(nameof(stack))).Handle)];
        double[] scales = [.. stack.Select(entry => entry.Scale)];
        using var held = new HeldHandles(handles);
        fixed (nint* adapters = held.Values)
        fixed (double* factors = scales)
        {
            int status = NativeMethods.tailora_adapter_merge(
                adapters, factors, (nuint)handles.Length, null, out AdapterHandle merged, out ErrorHandle error);
            Failure.Check(status, error);
            return new Adapter(merged);
        }
    }

    /// <summary>
    /// Saves the adapter as a PEFT directory, which appears whole or not at all. What is there already stays, and is an error,
    /// unless <paramref name="overwrite"/> is asked for.
    /// </summary>
    /// <param name="path">The directory: a new one, whose parents are made too, or an empty one.</param>
    /// <param name="overwrite">
    /// Replace the adapter that is at <paramref name="path"/>; on Linux and macOS in one step, so that somebody loads the old one or
    /// the new one, whole. A directory with anything but an adapter in it is never touched.
    /// </param>
    /// <exception cref="TailoraException">Something else is at <paramref name="path"/>, or it cannot be written.</exception>
    /// <exception cref="ObjectDisposedException">The adapter was disposed.</exception>
    public unsafe void Save(string path, bool overwrite = false)
    {
        Argument.NotNull(path, nameof(path));
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* how = "{\"overwrite\":true}\0"u8)
        {
            int status = NativeMethods.tailora_adapter_save(Handle, where, overwrite ? how : null, out ErrorHandle error);
            Failure.Check(status, error);
        }
    }

    /// <summary>
    /// Gives the adapter confidences that mean the share of conclusions that reviewers leave as they were, from its reports as Word files that
    /// were reviewed. What was learnt on the training rows stays, and a few reviews change little.
    /// </summary>
    /// <param name="reviewed">The reviewed .docx files.</param>
    /// <returns>A new version of the adapter; this one stays as it is.</returns>
    /// <exception cref="TailoraException">No report of this adapter on which somebody decided is there, or a file cannot be read.</exception>
    public Recalibration Recalibrate(IEnumerable<string> reviewed)
    {
        Argument.NotNull(reviewed, nameof(reviewed));
        return Recalibration.Of(Handle, reviewed);
    }

    /// <summary>Frees the adapter; sessions it is attached to keep what they need.</summary>
    public void Dispose() => handle.Dispose();
}
