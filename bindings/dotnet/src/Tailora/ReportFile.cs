using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading;
using Tailora.Native;

namespace Tailora;

/// <summary>The file of reports that <see cref="LanguageModel.BatchAsync"/> writes: a line for each row, in the order of the rows.</summary>
public static class ReportFile
{
    /// <summary>Reads the lines one by one; a file of any size takes the memory of one.</summary>
    /// <param name="path"><see cref="BatchSummary.Output"/>, or a merged file.</param>
    /// <exception cref="JsonException">A line is none of such a file, as may be the last one while the batch is running.</exception>
    public static IEnumerable<ReportLine> Read(string path)
    {
        Argument.NotNull(path, nameof(path));
        return File.ReadLines(path).Select(ReportLine.FromJson);
    }

    /// <summary>
    /// Puts the reports of all shards of a job (<see cref="BatchOptions.Shard"/>) into one new file, in the order of the rows; checks that no
    /// row is missing and none there twice.
    /// </summary>
    /// <param name="jobs">The folder of each shard, in any order.</param>
    /// <param name="output">A file that is not there yet.</param>
    /// <exception cref="TailoraException">The shards are not of one job, or one is missing, not finished, or there twice.</exception>
    public static unsafe MergeSummary Merge(IEnumerable<string> jobs, string output)
    {
        Argument.NotNull(jobs, nameof(jobs));
        Argument.NotNull(output, nameof(output));
        NativeLoader.EnsureLoaded();
        using var folders = new HeldTexts(jobs, nameof(jobs));
        fixed (byte** list = folders.Values)
        fixed (byte* where = Utf8Text.Terminated(output, nameof(output)))
        {
            int status = NativeMethods.tailora_batch_merge(
                list, (nuint)folders.Values.Length, where, out StringHandle summary, out ErrorHandle error);
            string json = summary.Take();
            Failure.Check(status, error);
            return MergeSummary.FromJson(json);
        }
    }
}

/// <summary>A row of a file of reports: its report, or why there is none.</summary>
public sealed record ReportLine
{
    /// <summary>The row's number in the file of cases, from 1.</summary>
    public long Row { get; init; }

    /// <summary>The line of the file of cases where it begins.</summary>
    public long Line { get; init; }

    /// <summary>Whose it is; <c>null</c> without <see cref="BatchOptions.IdColumn"/>.</summary>
    public string? Id { get; init; }

    /// <summary>The report; <c>null</c> where there is an <see cref="Error"/>.</summary>
    public Report? Report { get; init; }

    /// <summary>Why there is no report; otherwise <c>null</c>.</summary>
    public TailoraException? Error { get; init; }

    internal static ReportLine FromJson(string json)
    {
        JsonElement line = Json.Parse(json);
        return new ReportLine
        {
            Row = line.GetProperty("row").GetInt64(),
            Line = line.GetProperty("line").GetInt64(),
            Id = line.TryGetProperty("id", out JsonElement id) ? id.GetString() : null,
            Report = line.TryGetProperty("report", out JsonElement report) ? Tailora.Report.Parse(report.GetRawText()) : null,
            Error = line.TryGetProperty("error", out JsonElement error) ? Failed(error) : null,
        };
    }

    private static TailoraException? Failed(JsonElement error) => Failure.Create(
        (TailoraErrorCode)error.GetProperty("code").GetInt32(),
        error.GetProperty("message").GetString() ?? "",
        error.GetProperty("details"),
        CancellationToken.None,
        Operation.Other) as TailoraException;
}
