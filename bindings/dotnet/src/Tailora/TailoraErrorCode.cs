namespace Tailora;

/// <summary>What kind of failure it was. The numbers are those of the C header and never change their meaning.</summary>
public enum TailoraErrorCode
{
    /// <summary>An argument is outside its domain.</summary>
    InvalidArgument = -1,

    /// <summary>A handle that was never given out, was freed, or is of another type.</summary>
    InvalidHandle = -2,

    /// <summary>A session is in use by another call; a session does one thing at a time.</summary>
    Busy = -3,

    /// <summary>A session was left half-changed by an internal error; dispose it.</summary>
    Poisoned = -4,

    /// <summary>Options that the library refuses: unknown name, wrong type, value outside its range.</summary>
    InvalidOptions = -5,

    /// <summary>The file system refused: missing file, unreadable directory, full disk.</summary>
    Io = -10,

    /// <summary>A model's files are damaged or contradict each other.</summary>
    ModelFormat = -20,

    /// <summary>A model, adapter or option that is well-formed but not supported.</summary>
    Unsupported = -21,

    /// <summary>An adapter's files are damaged or contradict each other.</summary>
    AdapterFormat = -30,

    /// <summary>An adapter that belongs to another base model.</summary>
    AdapterMismatch = -31,

    /// <summary>A CSV that cannot be read as the dataset asked for.</summary>
    CsvFormat = -40,

    /// <summary>A Word file that cannot be read, or a template without a place for the report.</summary>
    DocxFormat = -41,

    /// <summary>Tokenizer or chat template files are damaged, or a template refuses the conversation.</summary>
    Tokenizer = -50,

    /// <summary>A prompt that does not fit the model's context.</summary>
    ContextLength = -51,

    /// <summary>A JSON Schema or grammar that cannot be compiled.</summary>
    Schema = -52,

    /// <summary>Training cannot start or had to be given up.</summary>
    Training = -60,

    /// <summary>The device asked for is not there or failed.</summary>
    Device = -70,

    /// <summary>Memory ran out, or a limit given by the host would be exceeded.</summary>
    OutOfMemory = -71,

    /// <summary>The host asked to stop; surfaces as <see cref="System.OperationCanceledException"/>.</summary>
    Cancelled = -80,

    /// <summary>A defect of the native library; please report it.</summary>
    Internal = -99,

    /// <summary>The native library is missing or is of another version. This code is the binding's own, not the C header's.</summary>
    LibraryUnavailable = -1000,
}
