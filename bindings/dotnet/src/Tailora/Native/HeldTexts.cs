using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Keeps several texts where they are during one call that takes them as an array.</summary>
internal sealed unsafe class HeldTexts : IDisposable
{
    private readonly GCHandle[] held;

    internal HeldTexts(IEnumerable<string> texts, string parameter)
    {
        byte[][] bytes = [.. texts.Select(text => Utf8Text.Terminated(text ?? throw new ArgumentNullException(parameter), parameter)!)];
        held = new GCHandle[bytes.Length];
        Values = new byte*[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            held[i] = GCHandle.Alloc(bytes[i], GCHandleType.Pinned);
            Values[i] = (byte*)held[i].AddrOfPinnedObject();
        }
    }

    /// <summary>The NUL-terminated texts to hand to native code; valid until this is disposed.</summary>
    internal byte*[] Values { get; }

    public void Dispose()
    {
        foreach (GCHandle handle in held)
        {
            handle.Free();
        }
    }
}
