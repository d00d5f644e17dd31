using System;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Tailora.Native;

/// <summary>
/// Takes progress events from native code to the caller's <see cref="IProgress{T}"/> during one call. An exception thrown
/// there must not unwind through native frames: it is kept, the work is told to stop, and <see cref="Check"/> raises it again.
/// </summary>
internal sealed unsafe class ProgressRelay : IDisposable
{
#if !NET8_0_OR_GREATER
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int ProgressFunction(ProgressEvent* progress, void* user);

    // Held for the life of the process: native code holds only the address.
    private static readonly ProgressFunction KeptAlive = OnProgress;
#endif

    private readonly Action<ProgressEvent>? report;
    private GCHandle self;
    private ExceptionDispatchInfo? failure;

    internal ProgressRelay(Action<ProgressEvent>? report)
    {
        this.report = report;
        if (report is not null)
        {
            self = GCHandle.Alloc(this);
        }
    }

    /// <summary>The function to hand to native code; null when nobody listens.</summary>
    internal delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int> Function =>
        report is null ? null :
#if NET8_0_OR_GREATER
        &OnProgress;
#else
        (delegate* unmanaged[Cdecl]<ProgressEvent*, void*, int>)Marshal.GetFunctionPointerForDelegate(KeptAlive);
#endif

    /// <summary>What native code hands back to the function.</summary>
    internal void* User => self.IsAllocated ? (void*)GCHandle.ToIntPtr(self) : null;

    /// <summary>
    /// As <see cref="Failure.Check"/>, but an exception of the caller's own handler comes first: it is why the work ended.
    /// What the call gave out nevertheless is freed with it.
    /// </summary>
    internal void Check(int status, ErrorHandle error, NativeHandle output, CancellationToken token, Operation operation = Operation.Other)
    {
        if (failure is not null)
        {
            output.Dispose();
            error.Dispose();
            failure.Throw();
        }

        Failure.Check(status, error, token, operation);
    }

    public void Dispose()
    {
        if (self.IsAllocated)
        {
            self.Free();
        }
    }

#if NET8_0_OR_GREATER
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
#endif
    private static int OnProgress(ProgressEvent* progress, void* user)
    {
        const int Continue = 0;
        const int Stop = 1;
        try
        {
            var relay = (ProgressRelay)GCHandle.FromIntPtr((IntPtr)user).Target!;
            if (relay.failure is not null)
            {
                return Stop;
            }

            try
            {
                relay.report!(*progress);
                return Continue;
            }
            catch (Exception error)
            {
                relay.failure = ExceptionDispatchInfo.Capture(error);
                return Stop;
            }
        }
        catch
        {
            return Stop;
        }
    }
}
