using System;
using System.Threading.Tasks;
using Tailora;

internal static class Program
{
    private static async Task Main()
    {
        using (LanguageModel model = await LanguageModel.LoadAsync("models/tailora-tiny"))
        using (Dataset dataset = Dataset.OpenCsv("talent_review.csv"))
        {
            var options = new TrainingOptions { LearningRate = 0.01, MaxSteps = 20 };
            using (TrainingResult trained = await model.TrainAsync(dataset, options))
            using (Session session = model.CreateSession())
            {
                trained.Adapter.Save("adapters/hr-review", overwrite: true);
                foreach (string note in trained.Notes)
                {
                    Console.WriteLine(note);
                }

                session.Attach(trained.Adapter);
                Report report = await session.GenerateReportAsync("岗位:P7高级架构师,绩效:A/A-,潜力:高");
                foreach (Conclusion conclusion in report.Conclusions)
                {
                    double? confidence = conclusion.Confidence;
                    Console.WriteLine($"{confidence:P0}  {conclusion.Text}");
                }
            }
        }
    }
}
