namespace Tailora;

/// <summary>How a base model is loaded. What is left <c>null</c> has the library's default.</summary>
public sealed record ModelOptions
{
    /// <summary>Where it computes: <c>auto</c> (the default: a GPU if this build and machine have one), <c>cpu</c>, or <c>cuda:N</c>.</summary>
    public string? Device { get; set; }

    /// <summary>Type the weights are kept in: <c>auto</c> (the default: bf16 on a GPU and where the files have it, else f32), <c>f32</c> or <c>bf16</c>.</summary>
    public string? Dtype { get; set; }

    /// <summary>Quantization of the weights while they load, as GGML has it: <c>q8_0</c> (8 bits), <c>q6_k</c> (6), <c>q4_k</c> (4), or null. CPU only.</summary>
    public string? Quantize { get; set; }

    /// <summary>Products take operands in f32: those of quantized weights are of the dequantized ones, none the much faster integer ones, and those of bf16 weights do not round to bf16. Keys and values are kept in f32, if <see cref="KvCacheDtype"/> is <c>auto</c>.</summary>
    public bool? Exact { get; set; }

    /// <summary>Type in which the keys and values of tokens that were read are kept: <c>auto</c> (the default: on a GPU that of <see cref="Dtype"/>; on the CPU f16 where products round their inputs too, else f32), <c>f32</c>, <c>f16</c>, or <c>q8_0</c> (about half the memory of f16). Other than <c>auto</c> on the CPU only.</summary>
    public string? KvCacheDtype { get; set; }

    /// <summary>Threads of the CPU; 0, the default, means one per core.</summary>
    public int? Threads { get; set; }

    /// <summary>Name in reports and adapter files; by default that of the directory or GGUF file.</summary>
    public string? Name { get; set; }

    /// <summary>The day that a chat template tells the model, as <c>2026-11-27</c>; by default today. Trained adapters keep it.</summary>
    public string? Date { get; set; }
}
