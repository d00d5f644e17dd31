using System;
using System.Collections.Concurrent;
using System.Linq;
using Microsoft.Extensions.Logging;

namespace Tailora.Extensions.AI;

/// <summary>
/// Takes the native library's log records to the host's loggers: what <c>tailora::train</c> says is of the category <c>Tailora.Train</c>.
/// The library has one sink for the process; of several hosts the last one that loads a model has it.
/// </summary>
internal sealed class LoggerBridge(ILoggerFactory factory) : IDisposable
{
    private readonly object gate = new();
    private readonly ConcurrentDictionary<string, ILogger> loggers = new();
    private IDisposable? listening;

    /// <summary>Begins, if there is a level that the host wants to have.</summary>
    internal void Start()
    {
        lock (gate)
        {
            if (listening is null && MostDetailed() is { } level)
            {
                listening = TailoraLog.Listen(Write, level);
            }
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            listening?.Dispose();
        }
    }

    private TailoraLogLevel? MostDetailed()
    {
        ILogger logger = factory.CreateLogger("Tailora");
        foreach (TailoraLogLevel level in new[] { TailoraLogLevel.Trace, TailoraLogLevel.Debug, TailoraLogLevel.Info, TailoraLogLevel.Warn, TailoraLogLevel.Error })
        {
            if (logger.IsEnabled(LevelOf(level)))
            {
                return level;
            }
        }

        return null;
    }

    private void Write(TailoraLogRecord record) =>
        loggers.GetOrAdd(record.Target, target => factory.CreateLogger(Category(target)))
            .Log(LevelOf(record.Level), default, record.Message, null, static (message, _) => message);

    private static LogLevel LevelOf(TailoraLogLevel level) => level switch
    {
        TailoraLogLevel.Error => LogLevel.Error,
        TailoraLogLevel.Warn => LogLevel.Warning,
        TailoraLogLevel.Info => LogLevel.Information,
        TailoraLogLevel.Debug => LogLevel.Debug,
        _ => LogLevel.Trace,
    };

    private static string Category(string target) =>
        string.Join(".", target.Split([':'], StringSplitOptions.RemoveEmptyEntries).Select(part => char.ToUpperInvariant(part[0]) + part[1..]));
}
