using System.Collections.Generic;

namespace Tailora.Extensions.AI;

/// <summary>A model that a host serves; also the shape of its configuration section.</summary>
public sealed class TailoraHostOptions
{
    /// <summary>The base model: a Hugging Face directory or a GGUF file.</summary>
    public string ModelPath { get; set; } = "";

    /// <summary>How it is loaded.</summary>
    public ModelOptions Model { get; set; } = new();

    /// <summary>Adapters that every answer goes through, unless a call brings its own.</summary>
    public IList<TailoraAdapterOptions> Adapters { get; set; } = new List<TailoraAdapterOptions>();

    /// <summary>How calls share the model.</summary>
    public TailoraChatClientOptions Chat { get; set; } = new();

    /// <summary>When it is loaded.</summary>
    public TailoraWarmUp WarmUp { get; set; }
}

/// <summary>An adapter that a host loads with its model.</summary>
public sealed class TailoraAdapterOptions
{
    /// <summary>The directory with <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</summary>
    public string Path { get; set; } = "";

    /// <summary>1, the default, is the adapter as it was trained.</summary>
    public double Scale { get; set; } = 1;
}

/// <summary>When a host loads a model, and has it write a first token.</summary>
public enum TailoraWarmUp
{
    /// <summary>Before the host has started: a model that cannot be loaded stops it there. The default.</summary>
    BeforeStart,

    /// <summary>While the host is starting; calls wait for it, and <see cref="TailoraHealth"/> says when it is ready.</summary>
    Background,

    /// <summary>With the first call.</summary>
    None,
}
