using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Keeps several handles open during one call that takes them as an array, which marshalling does not do.</summary>
internal sealed class HeldHandles : IDisposable
{
    private readonly List<SafeHandle> held = [];

    internal HeldHandles(IReadOnlyList<SafeHandle> handles)
    {
        Values = new nint[handles.Count];
        try
        {
            for (int i = 0; i < handles.Count; i++)
            {
                bool added = false;
                handles[i].DangerousAddRef(ref added);
                held.Add(handles[i]);
                Values[i] = handles[i].DangerousGetHandle();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The values to hand to native code; valid until this is disposed.</summary>
    internal nint[] Values { get; }

    public void Dispose()
    {
        foreach (SafeHandle handle in held)
        {
            handle.DangerousRelease();
        }

        held.Clear();
    }
}
