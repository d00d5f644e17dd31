using System.Collections.Generic;

namespace Tailora.Extensions.AI;

/// <summary>A loaded model with what its client answers through.</summary>
internal sealed record ServedModel(string Name, SessionPool Pool, IReadOnlyList<(Adapter Adapter, double Scale)> Adapters)
{
    internal LanguageModel Model => Pool.Model;

    internal static ServedModel Of(LanguageModel model, IReadOnlyList<(Adapter Adapter, double Scale)> adapters, TailoraChatClientOptions options) =>
        new(model.Info.Name, new SessionPool(model, options.ContextLength), adapters);
}
