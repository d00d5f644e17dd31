using System;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Tailora.Extensions.AI;

/// <summary>Loads a registered model when its options say so.</summary>
internal sealed class WarmUpService(ModelHost host, ILogger logger) : IHostedService
{
    private readonly CancellationTokenSource stop = new();
    private Task background = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (host.WarmUp == TailoraWarmUp.BeforeStart)
        {
            return host.WarmUpAsync(cancellationToken);
        }

        if (host.WarmUp == TailoraWarmUp.Background)
        {
            background = Task.Run(() => WarmUpAsync(stop.Token), CancellationToken.None);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        stop.Cancel();
        return background;
    }

    private async Task WarmUpAsync(CancellationToken token)
    {
        try
        {
            await host.WarmUpAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (token.IsCancellationRequested)
        {
        }
        catch (Exception error)
        {
            // Calls will get it too, and the health says it; the host goes on.
            logger.Log(LogLevel.Error, default, host.Key, error, static (key, why) => $"The model `{key}` cannot be warmed up: {why!.Message}");
        }
    }
}
