using System.Collections.Generic;

namespace Tailora;

/// <summary>How the confidences of an adapter's reports were calibrated: on conclusions about rows that their model had not seen.</summary>
public sealed record TrainingCalibration
{
    /// <summary><c>calibrated</c>, or <c>band</c> where there were too few conclusions for a number.</summary>
    public string Kind { get; init; } = "";

    /// <summary>Rows that were answered.</summary>
    public long Rows { get; init; }

    /// <summary>Conclusions in the answers.</summary>
    public long Conclusions { get; init; }

    /// <summary>Those that say what the row says.</summary>
    public long Right { get; init; }

    /// <summary>Expected calibration error: how far confidence and share of right conclusions lie apart, from 0 to 1.</summary>
    public double Ece { get; init; }

    /// <summary>Brier score: mean squared distance between confidence and outcome, from 0 to 1.</summary>
    public double Brier { get; init; }

    /// <summary>How often a right conclusion has more confidence than a wrong one, from 0 to 1; <c>null</c> where all are right, or none.</summary>
    public double? Auc { get; init; }

    /// <summary>The same by the conclusions' place in the text.</summary>
    public IReadOnlyList<CalibrationPlace> Places { get; init; } = [];
}

/// <summary>The conclusions at one place of the texts.</summary>
public sealed record CalibrationPlace
{
    /// <summary>The place, from 0.</summary>
    public int Place { get; init; }

    /// <summary>How the rows' sentences there begin; empty where they have nothing in common.</summary>
    public string Begins { get; init; } = "";

    /// <summary>Conclusions there.</summary>
    public long Conclusions { get; init; }

    /// <summary>Those that are right.</summary>
    public long Right { get; init; }
}
