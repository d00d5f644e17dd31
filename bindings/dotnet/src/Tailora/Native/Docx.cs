using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>Reports as Word files, and back.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_report_export_docx(byte* cases_json, byte* path, byte* options_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_report_export_docx_files(
        byte* cases_json,
        byte* folder,
        byte* options_json,
        out StringHandle paths_json,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_report_import_docx(byte* path, byte* options_json, out StringHandle review_json, out ErrorHandle err);
}
