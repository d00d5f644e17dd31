using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.IO;
using System.Linq;
using System.Text.Json.Serialization;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>What the package's README shows beside its first program: it compiles, it runs, and it is what stands there.</summary>
public partial class ReadmeTests(TypedTests.Loaded loaded) : IClassFixture<TypedTests.Loaded>
{
    [Fact]
    public void The_blocks_of_the_readme_are_lines_of_this_file()
    {
        string[] here = [.. File.ReadLines(Path.Combine(Repository.Root, "bindings", "dotnet", "tests", "Tailora.Tests.Typed", "ReadmeTests.cs")).Select(Plain)];
        string section = File.ReadAllText(Path.Combine(Repository.Root, "bindings", "dotnet", "README.md")).Replace("\r", "", StringComparison.Ordinal)
            .Split("## Types in the place of text")[1].Split("\n## ")[0];
        string[][] blocks = [.. section.Split("```csharp\n").Skip(1).Select(block => block.Split("```")[0].Split('\n', StringSplitOptions.RemoveEmptyEntries))];
        Assert.Equal(3, blocks.Length);
        foreach (string[] block in blocks)
        {
            int[] places = [.. block.Select(line => Array.IndexOf(here, Plain(line)))];
            Assert.All(places.Zip(block), pair => Assert.True(pair.First >= 0, $"not here: {pair.Second}"));
        }
    }

    [Fact]
    public async Task They_do_what_they_say()
    {
        LanguageModel model = loaded.Model;
        using Dataset dataset = Dataset.OpenCsv(Repository.Csv);
        using Session session = model.CreateSession();

        GeneratedValue<Review> answer = await session.GenerateAsync("岗位:P7高级架构师,绩效:A/A-", HrJson.Default.Review);
        TypedReport<Review> report = await session.GenerateReportAsync("岗位:P7高级架构师,绩效:A/A-", HrJson.Default.Review);
        Console.WriteLine($"{answer.Value.Score} {report.Document.Potential} {report.Report.Conclusions[0].Confidence:P0}");

        TrainingStream training = model.StreamTrainingAsync(dataset);
        await foreach (TrainingProgress e in training)
        {
            if (e.Loss < 0.5)
            {
                break; // the training stops, and what was learnt is the result
            }

            if (e.Loss is not null)
            {
                break; // sooner than there
            }
        }

        using TrainingResult result = training.Result!;
        await foreach (GenerationChunk chunk in session.StreamAsync("岗位:P7高级架构师").WithUsage())
        {
            Console.Write($"{chunk.Text}[{chunk.CompletionTokens}]");
        }

        Assert.True(result.Summary.Steps >= 1);
        Assert.True(Enum.IsDefined(answer.Value.Potential));
    }

    /// <summary>A line without its indentation and without an access modifier, which nested types need.</summary>
    private static string Plain(string line) => line.Trim().Replace("internal ", "", StringComparison.Ordinal);

    internal sealed record Review(string Summary, [property: Description("0 to 10")] byte Score, Potential Potential, DateOnly? FollowUp);

    internal enum Potential { Low, Middle, High }

    [JsonSourceGenerationOptions(UseStringEnumConverter = true)]
    [JsonSerializable(typeof(Review))]
    internal sealed partial class HrJson : JsonSerializerContext;
}
