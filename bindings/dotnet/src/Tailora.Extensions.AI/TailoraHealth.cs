using System.Collections.Generic;
using System.Linq;

namespace Tailora.Extensions.AI;

/// <summary>Whether the registered models can answer. It depends on no web framework; the package's README has the few lines for ASP.NET Core's health checks.</summary>
public sealed class TailoraHealth
{
    private readonly IReadOnlyList<ModelHost> hosts;

    internal TailoraHealth(IEnumerable<ModelHost> hosts) => this.hosts = [.. hosts];

    /// <summary>How the models are now. It only looks: nothing is loaded and nothing is generated.</summary>
    public TailoraHealthReport Check()
    {
        TailoraModelHealth[] models = [.. hosts.Select(host => host.Health)];
        bool[] healthy = [.. hosts.Zip(models, (host, model) => CanAnswer(host, model))];
        string text = string.Join("; ", models.Select(Describe));
        return new TailoraHealthReport(healthy.All(good => good), text, models);
    }

    private static bool CanAnswer(ModelHost host, TailoraModelHealth model) =>
        (model.State == TailoraModelState.Ready || (model.State == TailoraModelState.NotLoaded && host.WarmUp == TailoraWarmUp.None))
        && (model.Waiting == 0 || model.Waiting < model.MaxQueue);

    private static string Describe(TailoraModelHealth model)
    {
        string name = model.Key.Length == 0 ? "model" : $"model `{model.Key}`";
        return model.Error is null
            ? $"{name}: {model.State}, {model.Running} running, {model.Waiting} of {model.MaxQueue} waiting"
            : $"{name}: {model.State}, {model.Error}";
    }
}

/// <summary>How the registered models are.</summary>
/// <param name="IsHealthy">Every model can answer, and its queue has room.</param>
/// <param name="Description">The same for people.</param>
/// <param name="Models">The models, one by one.</param>
public sealed record TailoraHealthReport(bool IsHealthy, string Description, IReadOnlyList<TailoraModelHealth> Models);

/// <summary>How a registered model is.</summary>
/// <param name="Key">Its key; empty for the one without.</param>
/// <param name="State">How far it is loaded.</param>
/// <param name="Running">Calls being answered.</param>
/// <param name="Waiting">Calls waiting for their turn.</param>
/// <param name="MaxQueue">Calls that may wait.</param>
/// <param name="Error">Why it could not be loaded.</param>
public sealed record TailoraModelHealth(string Key, TailoraModelState State, int Running, int Waiting, int MaxQueue, string? Error);

/// <summary>How far a registered model is loaded.</summary>
public enum TailoraModelState
{
    /// <summary>Nobody has asked for it.</summary>
    NotLoaded,

    /// <summary>It is being loaded.</summary>
    Loading,

    /// <summary>It is loaded.</summary>
    Ready,

    /// <summary>It could not be loaded; the next call tries again.</summary>
    Failed,
}
