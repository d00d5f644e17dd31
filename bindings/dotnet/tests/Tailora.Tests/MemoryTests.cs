using System;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Whether a process that loads, uses and frees stays as it is.</summary>
public class MemoryTests
{
    private const int WarmUp = 30;
    private const int Rounds = 100;

    [Fact]
    public async Task Rounds_of_load_use_and_free_leave_no_handle() => Assert.Equal(3, (await ResidentAsync(3)).Length);

    [RequestedFact("TAILORA_MEMORY_TEST", "it takes a minute")]
    public async Task Rounds_of_load_use_and_free_leave_resident_memory_as_it_is()
    {
        double[] resident = (await ResidentAsync(WarmUp + Rounds))[WarmUp..];
        double slope = Slope(resident) / resident.Average();
        Assert.True(slope < 0.001, $"resident memory grows by {slope:P3} a round, from {resident[0]} to {resident[^1]} bytes");
    }

    [Fact]
    public void A_slope_is_what_a_line_rises_by() => Assert.Equal(3, Slope([.. Enumerable.Range(0, 50).Select(x => (3.0 * x) + 7)]), 9);

    /// <summary>Resident bytes behind each of so many rounds in a process of their own, which leaves no handle.</summary>
    private static async Task<double[]> ResidentAsync(int rounds)
    {
        var start = new ProcessStartInfo("dotnet", [Assembly.GetExecutingAssembly().Location, rounds.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MALLOC_ARENA_MAX"] = "2"; // otherwise glibc may make an arena for each thread there ever was
        using Process child = Process.Start(start)!;
        Task<string> errors = child.StandardError.ReadToEndAsync();
        string[] lines = (await child.StandardOutput.ReadToEndAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        await child.WaitForExitAsync();
        Assert.True(child.ExitCode == 0, await errors);
        Assert.Equal("live 0", lines[^1].Trim());
        return [.. lines[..^1].Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
    }

    /// <summary>By least squares.</summary>
    private static double Slope(double[] values)
    {
        double middle = (values.Length - 1) / 2.0;
        double mean = values.Average();
        return values.Select((value, at) => (at - middle) * (value - mean)).Sum() / values.Select((_, at) => (at - middle) * (at - middle)).Sum();
    }
}
