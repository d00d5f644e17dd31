using System;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Reports as Word files, and what reviewers made of them.</summary>
[Collection(NativeCollection.Name)]
public class DocxTests(Trained trained)
{
    private static readonly Report Written = Report.Parse("""
        {"schema":"tailora.report/1","report":"技术能力强。协作需要提升。","conclusions":[
          {"kind":"strength","text":"技术能力强。","confidence":0.9,"confidence_kind":"calibrated","sources":[{"field":"技术深度","value":"9/10","influence":0.8}],"grounded":true,"unsupported":[]},
          {"kind":"risk","text":"协作需要提升。","confidence":0.4,"confidence_kind":"calibrated","sources":[],"unsupported":[]}],
         "of_a_later_version":1}
        """);

    [Fact]
    public async Task A_report_becomes_a_file_and_comes_back()
    {
        using var folder = new TemporaryFolder();
        using Session session = trained.Model.CreateSession();
        Report report = await session.GenerateReportAsync(
            Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 40 } });
        string path = Path.Combine(folder.FullName, "评审.docx");
        report.SaveDocx(path, "E1", Trained.Line, new DocxOptions { Language = DocxLanguage.En, Author = "HR" });
        ReviewedDocument reviewed = ReviewedDocument.Read(path);
        ReviewedCase one = Assert.Single(reviewed.Cases);
        Assert.Equal(("E1", Trained.Line), (one.Id, one.Input));
        Assert.Equal(report.Text.Trim(), one.Output!.Replace("\r", "", StringComparison.Ordinal));
        Assert.True(one.Pending > 0);
        Assert.Equal(report.Conclusions.Count, one.Conclusions.Count);
        Assert.All(one.Conclusions, conclusion => Assert.Equal(ConclusionLabel.Kept, conclusion.Label));
        Assert.Equal((Trained.Line, one.Output), (reviewed.Rows[0].Input, reviewed.Rows[0].Output));
    }

    [Fact]
    public void What_a_reviewer_changed_is_labelled()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "all.docx");
        Docx.Save([new ReportCase("E1", "技术深度:9/10", Written) { Title = "王工" }, new ReportCase("E2", "技术深度:5/10", Written)], path);
        Edit(path, xml => Remove(xml, "协作需要提升。"));
        ReviewedDocument reviewed = ReviewedDocument.Read(path);
        Assert.Equal(["E1", "E2"], reviewed.Cases.Select(one => one.Id));
        ReviewedConclusion[] first = [.. reviewed.Cases[0].Conclusions];
        Assert.Equal([ConclusionLabel.Kept, ConclusionLabel.Deleted], first.Select(conclusion => conclusion.Label));
        Assert.Equal(("strength", 0.9, "calibrated", "技术能力强。"), (first[0].Kind, first[0].Confidence, first[0].ConfidenceKind, first[0].Accepted));
        Assert.Equal("技术能力强。", reviewed.Rows[0].Output);
        Assert.All(reviewed.Cases[1].Conclusions, conclusion => Assert.Equal(ConclusionLabel.Kept, conclusion.Label));
    }

    [Fact]
    public void One_file_for_each_is_named_after_it()
    {
        using var folder = new TemporaryFolder();
        var paths = Docx.SaveEach([new ReportCase("E1", "a:1", Written), new ReportCase("E2/x", "a:2", Written)], folder.FullName);
        Assert.Equal(["E1.docx", "E2_x.docx"], paths.Select(path => Path.GetFileName(path)));
        Assert.All(paths, path => Assert.True(File.Exists(path)));
        var error = Assert.Throws<TailoraException>(() => Docx.SaveEach([new ReportCase("e1", "", Written), new ReportCase("E1", "", Written)], folder.FullName));
        Assert.Equal(TailoraErrorCode.InvalidArgument, error.Code);
    }

    [Fact]
    public void A_changed_report_is_written_as_it_is_now()
    {
        Assert.Same(Written.RawJson, Written.ToJson());
        Report changed = Written with { Text = "另一份。", Conclusions = [] };
        Assert.Contains("\"schema\":\"tailora.report/1\"", changed.ToJson(), StringComparison.Ordinal);
        Assert.Equal("另一份。", Report.Parse(changed.ToJson()).Text);
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "x.docx");
        changed.SaveDocx(path, "E1", "");
        Assert.Equal("另一份。", Assert.Single(ReviewedDocument.Read(path).Rows).Output);
    }

    [Fact]
    public void What_is_no_report_and_no_file_is_refused()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.FullName, "x.docx");
        var error = Assert.Throws<TailoraException>(() => Docx.Save([new ReportCase("E1", "", new Report())], path));
        Assert.Equal("report.schema", error.Details.GetProperty("json_path").GetString());
        Assert.Equal(TailoraErrorCode.InvalidArgument, Assert.Throws<TailoraException>(() => Docx.Save([], path)).Code);
        Assert.Throws<ArgumentNullException>(() => Docx.Save([null!], path));
        Assert.Throws<ArgumentNullException>(() => Docx.Save([new ReportCase("E1", null!, Written)], path));
        Assert.Equal(TailoraErrorCode.DocxFormat, Assert.Throws<TailoraException>(() => ReviewedDocument.Read(folder.Write("y.docx", "no"))).Code);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task Reviews_calibrate_the_adapter_that_wrote_the_reports()
    {
        using var folder = new TemporaryFolder();
        using Session session = trained.Model.CreateSession();
        session.Attach(trained.Adapter);
        Report report = await session.GenerateReportAsync(
            Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 80 } });
        Assert.NotEmpty(report.Conclusions);
        string path = Path.Combine(folder.FullName, "all.docx");
        Docx.Save([new ReportCase("E1", Trained.Line, report), new ReportCase("E2", Trained.Line, Written)], path);
        var open = Assert.Throws<TailoraException>(() => trained.Adapter.Recalibrate([path]));
        Assert.Equal((1, 1), (open.Details.GetProperty("undecided").GetInt32(), open.Details.GetProperty("of_others").GetInt32()));

        // A reviewer accepts all there is.
        Edit(path, xml => Regex.Replace(xml, "</?w:ins\\b[^>]*>", ""));
        using Recalibration made = trained.Adapter.Recalibrate([path]);
        Assert.Equal((1L, (long)report.Conclusions.Count, (long)report.Conclusions.Count, 0L, 1L), (made.Cases, made.Conclusions, made.Kept, made.Undecided, made.OfOthers));
        Assert.Null(made.Before.Auc);
        Assert.InRange(made.After.Brier, 0, made.Before.Brier + 0.05);
        Assert.Equal(made.Version, made.Adapter.Info.Version);
        Assert.NotEqual(made.Version, trained.Adapter.Info.Version);
        using Session again = trained.Model.CreateSession();
        again.Attach(made.Adapter);
        Report after = await again.GenerateReportAsync(
            Trained.Line, new ReportOptions { Influence = false, Generate = new GenerateOptions { MaxTokens = 80 } });
        Assert.Equal(report.Text, after.Text);
        Assert.True(after.Conclusions.Sum(conclusion => conclusion.Confidence) >= report.Conclusions.Sum(conclusion => conclusion.Confidence) - 0.01);
    }

    private static void Edit(string path, Func<string, string> change)
    {
        using ZipArchive archive = ZipFile.Open(path, ZipArchiveMode.Update);
        ZipArchiveEntry part = archive.GetEntry("word/document.xml")!;
        string text;
        using (var reader = new StreamReader(part.Open(), Encoding.UTF8))
        {
            text = reader.ReadToEnd();
        }

        part.Delete();
        using var writer = new StreamWriter(archive.CreateEntry("word/document.xml").Open(), new UTF8Encoding(false));
        writer.Write(change(text));
    }

    private static string Remove(string xml, string words)
    {
        int at = xml.IndexOf(words, StringComparison.Ordinal);
        Assert.True(at >= 0);
        return xml.Remove(at, words.Length);
    }
}
