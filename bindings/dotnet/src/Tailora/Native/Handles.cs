using System;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// A handle of the C API. The runtime keeps it alive during a call, frees it once, and refuses a closed one with
/// <see cref="ObjectDisposedException"/>. Frees take the raw value because a handle that is being released cannot be passed.
/// </summary>
internal abstract class NativeHandle : SafeHandle
{
    protected NativeHandle()
        : base(IntPtr.Zero, ownsHandle: true)
    {
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == IntPtr.Zero;

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        Free(handle);
        return true;
    }

    protected abstract void Free(IntPtr value);
}

/// <summary>Owns a <c>tailora_model</c>.</summary>
internal sealed class ModelHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_model_free(value);
}

/// <summary>Owns a <c>tailora_adapter</c>.</summary>
internal sealed class AdapterHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_adapter_free(value);
}

/// <summary>Owns a <c>tailora_dataset</c>.</summary>
internal sealed class DatasetHandle : NativeHandle
{
    /// <summary>The null pointer, where a dataset may be left out. Never disposed.</summary>
    internal static readonly DatasetHandle None = new();

    protected override void Free(IntPtr value) => NativeMethods.tailora_dataset_free(value);
}

/// <summary>Owns a <c>tailora_session</c>.</summary>
internal sealed class SessionHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_session_free(value);
}

/// <summary>Owns a <c>tailora_stream</c>.</summary>
internal sealed class StreamHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_stream_free(value);
}

/// <summary>Owns a <c>tailora_registry</c>.</summary>
internal sealed class RegistryHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_registry_free(value);
}

/// <summary>Owns a <c>tailora_cancel</c>.</summary>
internal sealed class CancelHandle : NativeHandle
{
    /// <summary>The null pointer, where a call cannot be cancelled. Never disposed.</summary>
    internal static readonly CancelHandle None = new();

    protected override void Free(IntPtr value) => NativeMethods.tailora_cancel_free(value);
}

/// <summary>Owns text that the library gave out.</summary>
internal sealed unsafe class StringHandle : NativeHandle
{
    /// <summary>Copies the text and frees the native one.</summary>
    internal string Take()
    {
        using (this)
        {
            return Utf8Text.Read((byte*)handle);
        }
    }

    protected override void Free(IntPtr value) => NativeMethods.tailora_string_free(value);
}

/// <summary>Owns a <c>tailora_error</c>; null while a call has not failed.</summary>
internal sealed class ErrorHandle : NativeHandle
{
    protected override void Free(IntPtr value) => NativeMethods.tailora_error_free(value);
}
