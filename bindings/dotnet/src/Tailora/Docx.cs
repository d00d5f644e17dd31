using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// Reports as Word files: the draft as tracked insertions of an AI author, a comment with confidence and sources on each conclusion.
/// <see cref="ReviewedDocument"/> reads what a reviewer made of one.
/// </summary>
public static class Docx
{
    /// <summary>Writes one file with all cases, each on a page of its own. A file that is there is replaced; it is whole or as it was.</summary>
    /// <param name="cases">Up to 2000 cases.</param>
    /// <param name="path">The .docx.</param>
    /// <param name="options">How to write it, among them a house template; <c>null</c> for the defaults.</param>
    /// <exception cref="TailoraException">A case is none, the template has no place for the report, or the file cannot be written.</exception>
    public static unsafe void Save(IEnumerable<ReportCase> cases, string path, DocxOptions? options = null)
    {
        Argument.NotNull(path, nameof(path));
        fixed (byte* what = Written(cases))
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.DocxOptions))
        {
            int status = NativeMethods.tailora_report_export_docx(what, where, how, out ErrorHandle error);
            Failure.Check(status, error);
        }
    }

    /// <summary>Writes a file for each case, named after its <see cref="ReportCase.Id"/>, and gives their paths.</summary>
    /// <param name="cases">The cases.</param>
    /// <param name="folder">A folder that is there; a file of the same name is replaced.</param>
    /// <param name="options">How to write them; <c>null</c> for the defaults.</param>
    /// <exception cref="TailoraException">As <see cref="Save"/>; two cases would have the same file.</exception>
    public static unsafe IReadOnlyList<string> SaveEach(IEnumerable<ReportCase> cases, string folder, DocxOptions? options = null)
    {
        Argument.NotNull(folder, nameof(folder));
        fixed (byte* what = Written(cases))
        fixed (byte* where = Utf8Text.Terminated(folder, nameof(folder)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.DocxOptions))
        {
            int status = NativeMethods.tailora_report_export_docx_files(what, where, how, out StringHandle paths, out ErrorHandle error);
            string json = paths.Take();
            Failure.Check(status, error);
            return Json.Read(json, ResultsJson.Default.StringArray);
        }
    }

    private static byte[] Written(IEnumerable<ReportCase> cases)
    {
        Argument.NotNull(cases, nameof(cases));
        NativeLoader.EnsureLoaded();
        WrittenCase[] list = [.. cases.Select(one => WrittenCase.Of(one ?? throw new ArgumentNullException(nameof(cases))))];
        return Json.Write(list, ResultsJson.Default.WrittenCaseArray)!;
    }
}

/// <summary>A report, and whom it is about.</summary>
/// <param name="Id">The host's name for the case; what was reviewed comes back under it.</param>
/// <param name="Input">The input that the report was written on, as it was given.</param>
/// <param name="Report">The report.</param>
public sealed record ReportCase(string Id, string Input, Report Report)
{
    /// <summary>The heading; <c>null</c> for the id.</summary>
    public string? Title { get; init; }
}

/// <summary>A case as the native library reads it.</summary>
internal sealed record WrittenCase(string Id, string? Title, string Input, JsonElement Report)
{
    internal static WrittenCase Of(ReportCase one)
    {
        Argument.NotNull(one.Id, nameof(ReportCase.Id));
        Argument.NotNull(one.Input, nameof(ReportCase.Input));
        Argument.NotNull(one.Report, nameof(ReportCase.Report));
        return new WrittenCase(one.Id, one.Title, one.Input, Json.Parse(one.Report.ToJson()));
    }
}
