using System;
using System.Text.Json;
using System.Threading;

namespace Tailora.Native;

/// <summary>What was being done; decides which exception an I/O error becomes.</summary>
internal enum Operation
{
    Other,
    LoadModel,
}

/// <summary>Turns a status and an error of the C API into the binding's exceptions.</summary>
internal static unsafe class Failure
{
    /// <summary>Throws for a negative status; takes the error either way.</summary>
    internal static void Check(int status, ErrorHandle error, CancellationToken token = default, Operation operation = Operation.Other)
    {
        using (error)
        {
            if (status < 0)
            {
                throw ToException(status, error, token, operation);
            }
        }
    }

    private static Exception ToException(int status, ErrorHandle error, CancellationToken token, Operation operation)
    {
        string message = $"the native library answered {Utf8Text.Read(NativeMethods.tailora_status_name(status))} ({status})";
        JsonElement details = default;
        if (!error.IsInvalid)
        {
            message = Utf8Text.Read(NativeMethods.tailora_error_message(error));
            details = Json.Parse(Utf8Text.Read(NativeMethods.tailora_error_details(error)));
        }

        return Create((TailoraErrorCode)status, message, details, token, operation);
    }

    /// <summary>The exception for a code.</summary>
    internal static Exception Create(
        TailoraErrorCode code, string message, JsonElement details, CancellationToken token, Operation operation) => code switch
        {
            TailoraErrorCode.Cancelled => new OperationCanceledException(message, token),
            TailoraErrorCode.AdapterMismatch => new AdapterMismatchException(code, message, details),
            TailoraErrorCode.CsvFormat => new CsvFormatException(code, message, details),
            TailoraErrorCode.Training => new TrainingException(code, message, details),
            TailoraErrorCode.ModelFormat => new ModelLoadException(code, message, details),
            TailoraErrorCode.Io or TailoraErrorCode.Unsupported or TailoraErrorCode.Tokenizer when operation == Operation.LoadModel =>
                new ModelLoadException(code, message, details),
            _ => new TailoraException(code, message, details),
        };
}
