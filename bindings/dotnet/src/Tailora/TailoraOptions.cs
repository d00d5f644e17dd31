using System;
using System.Collections.Generic;
using System.Text.Json.Serialization.Metadata;
using Tailora.Native;

namespace Tailora;

/// <summary>Options out of configuration files.</summary>
public static class TailoraOptions
{
    /// <summary>Every record of options, by the name of its native schema.</summary>
    internal static IReadOnlyDictionary<string, Type> Sets { get; } = new Dictionary<string, Type>
    {
        ["model"] = typeof(ModelOptions),
        ["adapter"] = typeof(AdapterOptions),
        ["dataset"] = typeof(DatasetOptions),
        ["train"] = typeof(TrainingOptions),
        ["evaluate"] = typeof(EvaluateOptions),
        ["session"] = typeof(SessionOptions),
        ["generate"] = typeof(GenerateOptions),
        ["score"] = typeof(ScoreOptions),
        ["report"] = typeof(ReportOptions),
        ["tokenize"] = typeof(TokenizeOptions),
        ["batch"] = typeof(BatchOptions),
        ["publish"] = typeof(PublishOptions),
        ["docx"] = typeof(DocxOptions),
    };

    /// <summary>
    /// Reads options from a YAML or JSON file with the library's names (<c>learning_rate</c>), and checks them as the library does. What the
    /// file leaves out stays <c>null</c>; relative paths in it stay relative to the working directory.
    /// </summary>
    /// <typeparam name="T">A record of options, such as <see cref="TrainingOptions"/>.</typeparam>
    /// <param name="path">A file that ends in <c>.yaml</c>, <c>.yml</c> or <c>.json</c>.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is no record of options.</exception>
    /// <exception cref="TailoraException">
    /// The file cannot be read, or an option is refused; the details have <c>path</c>, <c>option</c> and <c>line</c>.
    /// </exception>
    public static unsafe T FromFile<T>(string path)
        where T : class
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* set = Utf8Text.Terminated(NameOf(typeof(T)), nameof(path)))
        {
            int status = NativeMethods.tailora_options_from_file(where, set, out StringHandle options, out ErrorHandle error);
            string json = options.Take();
            Failure.Check(status, error);
            return Json.Read(json, (JsonTypeInfo<T>)OptionsJson.Default.GetTypeInfo(typeof(T))!);
        }
    }

    private static string NameOf(Type type)
    {
        foreach (KeyValuePair<string, Type> set in Sets)
        {
            if (set.Value == type)
            {
                return set.Key;
            }
        }

        throw new ArgumentException($"{type} is no record of options, such as {nameof(TrainingOptions)}.");
    }
}
