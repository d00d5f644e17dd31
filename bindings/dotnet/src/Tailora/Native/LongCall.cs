using System;
using System.Threading;
using System.Threading.Tasks;

namespace Tailora.Native;

/// <summary>
/// Runs a blocking native call on a thread of its own. Training takes minutes to hours: on the pool it would hold a worker
/// that the host's other work needs.
/// </summary>
internal static class LongCall
{
    /// <summary>More than the 32 MiB from which on the library does its work where it is called, instead of on a thread of its own. Only what is touched takes memory.</summary>
    private const int StackBytes = 40 << 20;

    /// <summary>Runs <paramref name="call"/>; a cancelled <paramref name="token"/> reaches it through the native cancel handle.</summary>
    internal static async Task<T> RunAsync<T>(string name, Func<CancelHandle, T> call, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        var result = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                result.SetResult(Cancellable(call, token));
            }
            catch (Exception error)
            {
                result.SetException(error);
            }
        }, StackBytes)
        {
            IsBackground = true,
            Name = name,
        };
        thread.Start();

        // Awaiting here, rather than handing out the task, turns an OperationCanceledException into a cancelled task.
        return await result.Task.ConfigureAwait(false);
    }

    /// <summary>Runs <paramref name="call"/> on the caller's thread.</summary>
    internal static T Cancellable<T>(Func<CancelHandle, T> call, CancellationToken token)
    {
        if (!token.CanBeCanceled)
        {
            return call(CancelHandle.None);
        }

        token.ThrowIfCancellationRequested();
        int status = NativeMethods.tailora_cancel_new(out CancelHandle created, out ErrorHandle error);
        using CancelHandle cancel = created;
        Failure.Check(status, error);

        // Disposing the registration waits for a running callback, so the handle outlives every request.
        using CancellationTokenRegistration registration = token.Register(
            static state => _ = NativeMethods.tailora_cancel_request((CancelHandle)state!), cancel);
        return call(cancel);
    }
}
