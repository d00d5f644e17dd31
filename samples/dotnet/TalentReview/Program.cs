// The main job: load a base model, train a LoRA adapter on a CSV, attach it, and write a JSON report.
//
//     dotnet run --project samples/dotnet/TalentReview [MODEL_DIRECTORY [CSV_FILE]]
//
// From the root of the repository, with TAILORA_NATIVE_LIBRARY naming the built native library.

using System.Text;
using Tailora;

const string Employee = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";

Console.OutputEncoding = Encoding.UTF8;
string modelPath = args.ElementAtOrDefault(0) ?? "samples/models/tailora-tiny";
string csvPath = args.ElementAtOrDefault(1) ?? "samples/data/talent_review.csv";

// Ctrl+C stops training and keeps what was learnt.
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) => { pressed.Cancel = true; stop.Cancel(); };

try
{
    using LanguageModel model = await LanguageModel.LoadAsync(modelPath);
    using Dataset dataset = Dataset.OpenCsv(csvPath);
    using Session session = model.CreateSession();

    Console.WriteLine($"Employee: {Employee}\n\nWithout an adapter:");
    await PrintAnswer(session);

    Console.WriteLine("\nTraining:");
    using Adapter adapter = await Train(model, dataset);

    session.Attach(adapter);
    Console.WriteLine("\nWith the adapter:");
    await PrintAnswer(session);

    Report report = await session.GenerateReportAsync(Employee);
    Console.WriteLine($"\nReport:\n{report.RawJson}");
    return 0;
}
catch (TailoraException error)
{
    Console.Error.WriteLine($"{error.Code}: {error.Message}");
    return 1;
}

// Prints what the session answers, while it is being generated.
async Task PrintAnswer(Session session)
{
    await foreach (string text in session.StreamAsync(Employee, new GenerateOptions { MaxTokens = 160 }))
    {
        Console.Write(text);
    }

    Console.WriteLine();
}

async Task<Adapter> Train(LanguageModel model, Dataset dataset)
{
    try
    {
        // The bundled model is tiny and wants larger steps than the defaults, which suit models of a billion parameters.
        var options = new TrainingOptions { LearningRate = 0.01 };
        TrainingResult result = await model.TrainAsync(dataset, options, new ProgressLine(), stop.Token);
        return result.Adapter;
    }
    catch (TrainingCanceledException stopped)
    {
        Console.WriteLine("Stopped; going on with the best adapter so far.");
        return stopped.Result.Adapter;
    }
}

/// <summary>Prints each event as it comes; <see cref="Progress{T}"/> would post them to the pool, out of order.</summary>
internal sealed class ProgressLine : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress e)
    {
        if (e.Phase == WorkPhase.Train && e.Loss is { } loss)
        {
            Console.WriteLine($"  step {e.Step,4}/{e.TotalSteps}  loss {loss:F3}  lr {e.LearningRate:0.0e+0}  {e.TokensPerSecond,6:F0} tokens/s  {e.Eta:mm\\:ss} left");
        }
        else if (e.Phase == WorkPhase.Validate && e.ValidationLoss is { } validation)
        {
            Console.WriteLine($"  validation loss {validation:F3}");
        }
    }
}
