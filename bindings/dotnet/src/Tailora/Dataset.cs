using System;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>The checked rows of a CSV. Immutable, so any number of threads may use one at the same time.</summary>
public sealed class Dataset : IDisposable
{
    private readonly DatasetHandle handle;

    private Dataset(DatasetHandle handle) => this.handle = handle;

    /// <summary>What was read, and what is worth a look before training.</summary>
    /// <exception cref="ObjectDisposedException">The dataset was disposed.</exception>
    public DatasetInfo Info
    {
        get
        {
            int status = NativeMethods.tailora_dataset_info(Handle, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return DatasetInfo.FromJson(json.Take());
        }
    }

    internal DatasetHandle Handle => handle.IsClosed ? throw new ObjectDisposedException(nameof(Dataset)) : handle;

    /// <summary>
    /// Opens a CSV with the columns <c>input</c> and <c>output</c> (names are options; further columns are allowed), blocking the
    /// caller: RFC 4180, UTF-8 with or without BOM, or GB18030, which is detected and reported.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to read it, among them the role prompt; <c>null</c> for the defaults.</param>
    /// <param name="progress">Receives events while the file is read.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="CsvFormatException">A column is missing, a quote is not closed, an output is empty; with row and column.</exception>
    /// <exception cref="TailoraException">The file cannot be read, or an option is refused.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static Dataset OpenCsv(
        string path,
        DatasetOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        return LongCall.Cancellable(cancel => Open(path, options, progress, cancel, cancellationToken), cancellationToken);
    }

    /// <summary>Opens a CSV as <see cref="OpenCsv"/> does, on a thread of its own.</summary>
    /// <inheritdoc cref="OpenCsv"/>
    public static Task<Dataset> OpenCsvAsync(
        string path,
        DatasetOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        return LongCall.RunAsync("Tailora CSV", cancel => Open(path, options, progress, cancel, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Writes a repaired copy of a CSV, in which only what cannot change the meaning is mended: rows that are alike in every column, text read in
    /// a wrong encoding that can be read back, invisible characters, blanks at the ends of fields. The file itself stays as it is.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="copy">Where to write the copy; one that is there is replaced.</param>
    /// <param name="options">How to read the file; <c>null</c> for the defaults.</param>
    /// <returns>What was changed.</returns>
    /// <exception cref="CsvFormatException">The file cannot be read at all.</exception>
    /// <exception cref="TailoraException">The copy cannot be written, or would replace the file.</exception>
    public static DatasetRepairs SaveRepairedCopy(string path, string copy, DatasetOptions? options = null)
    {
        Argument.NotNull(copy, nameof(copy));
        using Dataset read = OpenCsv(path, (options ?? new DatasetOptions()) with { RepairedCopy = copy });
        return read.Info.Repairs!;
    }

    /// <summary>
    /// A row exactly as a model will see it in training: the text through the chat template, its tokens, and which of them are trained.
    /// </summary>
    /// <param name="model">The model whose tokenizer and chat template to use.</param>
    /// <param name="row">Counted from 1, as in errors and findings, up to <see cref="DatasetInfo.Rows"/> if no row was left out.</param>
    public RowPreview Preview(LanguageModel model, long row)
    {
        Argument.NotNull(model, nameof(model));
        if (row < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(row), row, "Rows are counted from 1.");
        }

        int status = NativeMethods.tailora_dataset_preview(Handle, model.Handle, (ulong)row, out StringHandle json, out ErrorHandle error);
        Failure.Check(status, error);
        return RowPreview.FromJson(json.Take());
    }

    /// <summary>Frees the dataset; a training that uses it goes on.</summary>
    public void Dispose() => handle.Dispose();

    private static unsafe Dataset Open(
        string path, DatasetOptions? options, IProgress<LoadProgress>? progress, CancelHandle cancel, CancellationToken token)
    {
        using var relay = new ProgressRelay(progress is null ? null : e => progress.Report(LoadProgress.From(e)));
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.DatasetOptions))
        {
            int status = NativeMethods.tailora_dataset_open_csv(
                where, how, relay.Function, relay.User, cancel, out DatasetHandle dataset, out ErrorHandle error);
            relay.Check(status, error, dataset, token);
            return new Dataset(dataset);
        }
    }
}
