using System;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// <c>tailora_progress</c>. The loader accepts only libraries of at least this binding's minor version, so these fields are
/// always within the event's <c>struct_size</c>. NaN stands for a figure that an event does not have.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ProgressEvent
{
#pragma warning disable CS0649 // filled by native code
    internal readonly uint StructSize;
    internal readonly int Phase;
    internal readonly ulong Step;
    internal readonly ulong TotalSteps;
    internal readonly double Epoch;
    internal readonly double Loss;
    internal readonly double ValidationLoss;
    internal readonly double LearningRate;
    internal readonly double GradientNorm;
    internal readonly double TokensPerSecond;
    internal readonly double ElapsedSeconds;
    internal readonly double EtaSeconds;
#pragma warning restore CS0649

    internal static double? Figure(double value) => double.IsNaN(value) ? null : value;

    /// <summary>A span from seconds; what no span can hold (a rate near zero) counts as unknown.</summary>
    internal static TimeSpan? Span(double seconds) =>
        seconds >= 0 && seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : null;
}
