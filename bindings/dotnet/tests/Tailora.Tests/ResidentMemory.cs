using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Threading.Tasks;

namespace Tailora.Tests;

/// <summary>
/// The program of this assembly: loads, uses and frees everything, round after round, and prints the process's resident bytes behind each.
/// In a process of its own, since other tests come and go in theirs.
/// </summary>
internal static class ResidentMemory
{
    internal static async Task<int> Main(string[] args)
    {
        int rounds = int.Parse(args[0], CultureInfo.InvariantCulture);
        using var folder = new TemporaryFolder();
        string adapter = Path.Combine(folder.FullName, "adapter");
        await SaveAdapterAsync(adapter);
        for (int round = 0; round < rounds; round++)
        {
            await RoundAsync(adapter);
            GC.Collect();
            GC.WaitForPendingFinalizers();
            using var self = Process.GetCurrentProcess();
            Console.WriteLine(self.WorkingSet64.ToString(CultureInfo.InvariantCulture));
        }

        Console.WriteLine($"live {TailoraNative.LiveHandles}");
        return 0;
    }

    private static async Task SaveAdapterAsync(string path)
    {
        var one = new TrainingOptions { R = 2, MaxSteps = 1, ValidationFolds = 0, ValidationShare = 0, CalibrationRows = 0, MemorizationSamples = 0 };
        using LanguageModel model = LanguageModel.Load(Repository.Model);
        using Dataset dataset = Dataset.OpenCsv(Repository.Csv);
        using TrainingResult result = await model.TrainAsync(dataset, one);
        result.Adapter.Save(path);
    }

    private static async Task RoundAsync(string path)
    {
        const string Line = "岗位:P7高级架构师,绩效:A/A-";
        var few = new GenerateOptions { MaxTokens = 4 };
        using LanguageModel model = LanguageModel.Load(Repository.Model);
        using Dataset dataset = Dataset.OpenCsv(Repository.Csv);
        _ = dataset.Preview(model, 1);
        using Adapter adapter = Adapter.Load(model, path);
        using Session session = model.CreateSession();
        session.Attach(adapter);
        await session.GenerateAsync(Line, few);
        await session.GenerateReportAsync(Line, new ReportOptions { Generate = few, Influence = false });
        await foreach (string _ in model.StreamAsync(Line, [(adapter, 1.0)], few))
        {
            break;
        }
    }
}
