using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Many reports as one job: they come in the order of the rows, whatever interrupts them.</summary>
[Collection(NativeCollection.Name)]
public class BatchTests(Trained trained)
{
    private const int Rows = 12;

    private static readonly BatchOptions Short = new()
    {
        IdColumn = "id",
        Parallel = 2,
        Report = new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 12, Temperature = 1, Seed = 5 } },
    };

    private static string Cases(TemporaryFolder folder) => folder.Write(
        "cases.csv",
        "id,input\n" + string.Concat(Enumerable.Range(1, Rows).Select(row => row == 4 ? "E4,no field\n" : $"E{row},\"岗位:P{row},绩效:A\"\n")));

    [Fact]
    public async Task A_batch_reports_on_each_row_and_says_how_far_it_is()
    {
        using var folder = new TemporaryFolder();
        long before = TailoraNative.LiveHandles;
        var events = new List<BatchProgress>();
        BatchSummary summary = await trained.Model.BatchAsync(
            Cases(folder), Path.Combine(folder.FullName, "job"), [(trained.Adapter, 1.0)], Short, new Reporter<BatchProgress>(events.Add));
        Assert.Equal((Rows, Rows - 1, 1, 0), (summary.Rows, summary.Reports, summary.Failed, summary.Resumed));
        Assert.True(summary.Seconds > 0 && summary.RowsPerMinute > 0);
        Assert.Equal(Rows, events[^1].Rows);
        Assert.All(events, e => Assert.True(e.TotalRows == Rows && e.Rows <= Rows && e.Eta >= TimeSpan.Zero));

        ReportLine[] lines = [.. ReportFile.Read(summary.Output)];
        Assert.Equal(Enumerable.Range(1, Rows).Select(row => (long)row), lines.Select(line => line.Row));
        Assert.All(lines, line => Assert.Equal(line.Row + 1, line.Line));
        Assert.All(lines.Where(line => line.Row != 4), line => Assert.Equal(($"E{line.Row}", "tailora.report/1"), (line.Id, line.Report!.Schema)));
        Assert.Null(lines[3].Report);
        Assert.Equal(TailoraErrorCode.InvalidArgument, lines[3].Error!.Code);
        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task A_cancelled_batch_keeps_what_is_done_and_goes_on_to_the_same_reports()
    {
        using var folder = new TemporaryFolder();
        string cases = Cases(folder), job = Path.Combine(folder.FullName, "job");
        using var stop = new CancellationTokenSource();
        var progress = new Reporter<BatchProgress>(_ => stop.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => trained.Model.BatchAsync(
            cases, job, options: Short with { Parallel = 1 }, progress: progress, cancellationToken: stop.Token));
        BatchSummary rest = await trained.Model.BatchAsync(cases, job, options: Short);
        Assert.InRange(rest.Resumed, 1, Rows - 1);
        BatchSummary whole = await trained.Model.BatchAsync(cases, Path.Combine(folder.FullName, "whole"), options: Short);
        Assert.Equal(File.ReadAllText(whole.Output), File.ReadAllText(rest.Output));

        // What a handler throws comes back, and another job does not go on in the same folder.
        string other = Path.Combine(folder.FullName, "other");
        await Assert.ThrowsAsync<InvalidTimeZoneException>(() => trained.Model.BatchAsync(
            cases, other, options: Short, progress: new Reporter<BatchProgress>(_ => throw new InvalidTimeZoneException())));
        var error = await Assert.ThrowsAsync<TailoraException>(() => trained.Model.BatchAsync(cases, job, options: Short with { IdColumn = null }));
        Assert.Equal(TailoraErrorCode.Io, error.Code);
        await Assert.ThrowsAsync<CsvFormatException>(() => trained.Model.BatchAsync(cases, other, options: Short with { InputColumn = "none" }));
    }

    [Fact]
    public async Task Shards_come_to_the_file_of_one_run()
    {
        using var folder = new TemporaryFolder();
        string cases = Cases(folder);
        string At(string name) => Path.Combine(folder.FullName, name);
        BatchSummary whole = await trained.Model.BatchAsync(cases, At("whole"), options: Short);
        for (int index = 0; index < 3; index++)
        {
            await trained.Model.BatchAsync(cases, At($"部分-{index}"), options: Short with { Shard = new Shard { Index = index, Count = 3 } });
        }

        MergeSummary merged = ReportFile.Merge([At("部分-2"), At("部分-0"), At("部分-1")], At("merged.jsonl"));
        Assert.Equal((Rows, Rows - 1, 1), (merged.Rows, merged.Reports, merged.Failed));
        Assert.Equal(File.ReadAllText(whole.Output), File.ReadAllText(At("merged.jsonl")));
        var error = Assert.Throws<TailoraException>(() => ReportFile.Merge([At("部分-2")], At("again.jsonl")));
        Assert.Equal(2, error.Details.GetProperty("missing").GetArrayLength());
        Assert.Throws<TailoraException>(() => ReportFile.Merge([], At("again.jsonl")));
    }
}
