using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>What a host sees of long work: activities, durations, log records.</summary>
[Collection(NativeCollection.Name)]
public class TelemetryTests(Trained trained)
{
    [Fact]
    public async Task Long_work_is_traced_and_measured()
    {
        ConcurrentQueue<Activity> activities = new();
        ConcurrentQueue<(string? Operation, string? Error)> durations = new();
        using var traces = new ActivityListener
        {
            ShouldListenTo = source => source.Name == TailoraTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activities.Enqueue,
        };
        ActivitySource.AddActivityListener(traces);
        using var metrics = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TailoraTelemetry.Name)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        metrics.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            Dictionary<string, object?> all = new(tags.ToArray());
            durations.Enqueue((all["tailora.operation"] as string, all.GetValueOrDefault("error.type") as string));
        });
        metrics.Start();
        using (LanguageModel model = LanguageModel.Load(Repository.Model))
        {
            using Session session = model.CreateSession();
            await session.GenerateReportAsync(Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 8 } });
        }

        await Assert.ThrowsAsync<ModelLoadException>(() => LanguageModel.LoadAsync("no/such/model"));
        using Adapter adapter = (await trained.Model.TrainAsync(trained.Dataset, new TrainingOptions { R = 1, MaxSteps = 1, CalibrationRows = 0, MemorizationSamples = 0 })).Adapter;
        using var folder = new TemporaryFolder();
        var few = new BatchOptions { Report = new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 2 } } };
        await trained.Model.BatchAsync(folder.Write("cases.csv", "input\n岗位:P7\nno field\n"), Path.Combine(folder.FullName, "job"), options: few);
        Assert.Equal(["tailora.load", "tailora.report", "tailora.load", "tailora.train", "tailora.batch"], activities.Select(activity => activity.OperationName));
        Assert.Equal([("load", null), ("report", null), ("load", "Io"), ("train", null), ("batch", null)], durations);
        Activity[] all = [.. activities];
        Assert.Equal("tailora-tiny", all[0].GetTagItem("tailora.model"));
        Assert.Equal("tailora-tiny", all[1].GetTagItem("tailora.model"));
        Assert.Equal((ActivityStatusCode.Error, "Io"), (all[2].Status, all[2].GetTagItem("error.type")));
        Assert.Equal((1L, "Completed"), (all[3].GetTagItem("tailora.train.steps"), all[3].GetTagItem("tailora.train.stop_reason")));
        Assert.Equal((2L, 1L, 1L), (all[4].GetTagItem("tailora.batch.rows"), all[4].GetTagItem("tailora.batch.reports"), all[4].GetTagItem("tailora.batch.failed")));
    }

    [Fact]
    public void Log_records_come_until_the_listening_ends()
    {
        ConcurrentQueue<TailoraLogRecord> first = new();
        ConcurrentQueue<TailoraLogRecord> second = new();
        using (TailoraLog.Listen(first.Enqueue))
        {
            LanguageModel.Load(Repository.Model).Dispose();
        }

        int records = first.Count;
        Assert.Contains(first, record => record.Level == TailoraLogLevel.Info && record.Target.StartsWith("tailora", StringComparison.Ordinal) && record.Message.Length > 0);
        IDisposable replaced = TailoraLog.Listen(first.Enqueue);
        using (TailoraLog.Listen(record => { second.Enqueue(record); throw new InvalidOperationException("from the handler"); }, TailoraLogLevel.Debug))
        {
            replaced.Dispose(); // the later one stays
            LanguageModel.Load(Repository.Model).Dispose();
        }

        Assert.Equal(records, first.Count);
        Assert.Contains(second, record => record.Level == TailoraLogLevel.Debug);
        int ended = second.Count;
        LanguageModel.Load(Repository.Model).Dispose();
        Assert.Equal(ended, second.Count);
    }
}
