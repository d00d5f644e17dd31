using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Xunit;

namespace Tailora.Tests;

/// <summary>What the doctor finds in a CSV, and its repaired copy.</summary>
[Collection(NativeCollection.Name)]
public class DatasetInfoTests
{
    private const string Csv = "id,input,output,level\n"
        + "E1,岗位:P7,张三表现好。电话13812345678,P\n"
        + "E2,岗位:P8,更好。  ,P\n"
        + "E2,岗位:P8,更好。  ,P\n"
        + "E4,岗位:P9,TODO,M\n"
        + "E5,岗位:P7,另一个结论。,M\n";

    [Fact]
    public void Findings_have_kind_severity_place_and_remedy()
    {
        using var folder = new TemporaryFolder();
        string csv = folder.Write("rows.csv", Csv);
        using Dataset dataset = Dataset.OpenCsv(csv, new DatasetOptions { IdColumn = "id", GroupBy = "level", ExcludeIds = ["E9"], System = "你是HR。" });
        DatasetInfo info = dataset.Info;
        Assert.Equal((csv, 5L, "utf-8", ",", "input", "output", "id"), (info.Path, info.Rows, info.Encoding.ToLowerInvariant(), info.Delimiter, info.InputColumn, info.OutputColumn, info.IdColumn));
        Assert.Equal(["id", "input", "output", "level"], info.Columns);
        Assert.Equal(new FileInfo(csv).Length, info.Bytes);
        Assert.Equal(64, info.Sha256.Length);
        Assert.Equal(["E9"], info.ExcludedIdsNotFound);
        Assert.Equal((3L, 2L), (info.Groups!["P"], info.Groups["M"]));
        Assert.Equal("你是HR。", info.System);
        Assert.True(info.Distribution.OutputCharacters.Max >= info.Distribution.OutputCharacters.Percentile95);
        Assert.Null(info.Repairs);

        Dictionary<string, DatasetFinding> findings = info.Findings.GroupBy(finding => finding.Kind).ToDictionary(kind => kind.Key, kind => kind.First());
        Assert.Equal(info.FindingCounts.Keys.Order(), findings.Keys.Order());
        Assert.Equal((FindingSeverity.Warning, 1L, 2L, "output"), (findings["phone_number"].Severity, findings["phone_number"].Row, findings["phone_number"].Line, findings["phone_number"].Column));
        Assert.Equal(FindingSeverity.Error, findings["template_text"].Severity);
        Assert.Equal([1L, 5L], findings["conflicting_output"].Rows);
        Assert.All(info.Findings, finding => Assert.True(finding.Message.Length > 0 && finding.Remedy.Length > 0));
    }

    [Fact]
    public void Reading_reports_how_far_it_is_and_stops_when_the_handler_throws()
    {
        using var folder = new TemporaryFolder();
        string csv = folder.Write("rows.csv", "input,output\n" + string.Concat(Enumerable.Range(0, 60_000).Select(row => $"岗位:P{row},该员工表现{row}。\n")));
        var events = new List<LoadProgress>();
        using (Dataset dataset = Dataset.OpenCsv(csv, progress: new Reporter<LoadProgress>(events.Add)))
        {
            Assert.Equal(60_000, dataset.Info.Rows);
        }

        Assert.True(events.Count > 10, $"{events.Count} events");
        Assert.Equal(events.Select(e => e.Step).Order(), events.Select(e => e.Step));
        int calls = 0;
        long before = TailoraNative.LiveHandles;
        Assert.Throws<InvalidTimeZoneException>(() => Dataset.OpenCsv(csv, progress: new Reporter<LoadProgress>(_ => { calls++; throw new InvalidTimeZoneException(); })));
        Assert.Equal((1, before), (calls, TailoraNative.LiveHandles));
    }

    [Fact]
    public void A_repaired_copy_lists_its_changes_and_leaves_the_file_alone()
    {
        using var folder = new TemporaryFolder();
        string csv = folder.Write("rows.csv", Csv), copy = Path.Combine(folder.FullName, "修好.csv");
        DatasetRepairs repairs = Dataset.SaveRepairedCopy(csv, copy);
        Assert.Equal((copy, 4L), (repairs.Path, repairs.Rows));
        Assert.Equal((2L, 1L), (repairs.Counts["trailing_space"], repairs.Counts["duplicate_row"]));
        DatasetRepair left = Assert.Single(repairs.Changes, change => change.Change == "duplicate_row");
        Assert.Equal((3L, 2L, null), (left.Row, left.SameAs, left.Column));
        Assert.Equal("output", repairs.Changes.First(change => change.Change == "trailing_space").Column);
        Assert.Equal(Csv, File.ReadAllText(csv));
        using Dataset again = Dataset.OpenCsv(copy);
        Assert.Equal(4, again.Info.Rows);
        Assert.Equal(TailoraErrorCode.InvalidOptions, Assert.Throws<TailoraException>(() => Dataset.SaveRepairedCopy(csv, csv)).Code);
    }
}
