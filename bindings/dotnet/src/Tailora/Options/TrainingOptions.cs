using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>
/// How an adapter is trained; names and defaults are those of PEFT and transformers, where they have one. What is left <c>null</c>
/// has the library's default.
/// </summary>
public sealed record TrainingOptions
{
    /// <summary>The adapter's name, as in <c>hr_review</c>; at most 64 letters and 192 bytes of UTF-8.</summary>
    public string? Name { get; set; }

    /// <summary>
    /// Run directory for the configuration, metrics, TensorBoard events and adapter versions: a new or empty folder, or that of an
    /// earlier run. Without one nothing is written.
    /// </summary>
    public string? OutputDir { get; set; }

    /// <summary>Linear layers to adapt; all of them by default.</summary>
    public TargetModules? TargetModules { get; set; }

    /// <summary>Linear layers to leave out of <see cref="TargetModules"/>.</summary>
    public TargetModules? ExcludeModules { get; set; }

    /// <summary>Rank of the adapter; 8 by default.</summary>
    public int? R { get; set; }

    /// <summary>The adapter's output is scaled by this over <see cref="R"/>; 16 by default.</summary>
    public double? LoraAlpha { get; set; }

    /// <summary>Share of the adapter's inputs that a training step drops; 0 by default.</summary>
    public double? LoraDropout { get; set; }

    /// <summary>Scale by alpha over the square root of the rank instead, which keeps high ranks stable.</summary>
    public bool? UseRslora { get; set; }

    /// <summary>Ranks of layers that differ from <see cref="R"/>, by name or regular expression; the first match counts.</summary>
    public IReadOnlyDictionary<string, int>? RankPattern { get; set; }

    /// <summary>Alphas of layers that differ from <see cref="LoraAlpha"/>, by name or regular expression; the first match counts.</summary>
    public IReadOnlyDictionary<string, double>? AlphaPattern { get; set; }

    /// <summary>Highest learning rate, reached at the end of the warm-up.</summary>
    public double? LearningRate { get; set; }

    /// <summary>LoRA+: the learning rate of B is this many times that of A.</summary>
    public double? LoraplusLrRatio { get; set; }

    /// <summary>Decoupled weight decay of AdamW; 0 by default.</summary>
    public double? WeightDecay { get; set; }

    /// <summary>AdamW's decay of the first moment; 0.9 by default.</summary>
    [JsonPropertyName("adam_beta1")]
    public double? AdamBeta1 { get; set; }

    /// <summary>AdamW's decay of the second moment; 0.999 by default.</summary>
    [JsonPropertyName("adam_beta2")]
    public double? AdamBeta2 { get; set; }

    /// <summary>AdamW's epsilon.</summary>
    public double? AdamEpsilon { get; set; }

    /// <summary>Gradients are scaled down to this norm if theirs is greater; 0 turns clipping off.</summary>
    public double? MaxGradNorm { get; set; }

    /// <summary>What the learning rate does after the warm-up; a cosine by default.</summary>
    public SchedulerType? LrSchedulerType { get; set; }

    /// <summary>Share of all steps in which the learning rate rises from zero.</summary>
    public double? WarmupRatio { get; set; }

    /// <summary>Steps of the warm-up; if greater than 0 it stands instead of <see cref="WarmupRatio"/>.</summary>
    public long? WarmupSteps { get; set; }

    /// <summary>Passes over the training rows at most; early stopping may end sooner.</summary>
    public double? NumTrainEpochs { get; set; }

    /// <summary>
    /// Optimizer steps at least, so that a handful of rows is learnt too; by default 60 where folds find the best step, and none elsewhere.
    /// </summary>
    public long? MinSteps { get; set; }

    /// <summary>Optimizer steps exactly, in place of <see cref="NumTrainEpochs"/> and <see cref="MinSteps"/>.</summary>
    public long? MaxSteps { get; set; }

    /// <summary>Rows per forward and backward pass.</summary>
    public int? BatchSize { get; set; }

    /// <summary>Passes whose gradients are averaged into one optimizer step.</summary>
    public int? GradientAccumulationSteps { get; set; }

    /// <summary>
    /// <c>true</c>: layers keep only their inputs and are run again for the backward pass, for a small part of the memory; <c>null</c>:
    /// as few layers as the memory asks for. The result has the same bits.
    /// </summary>
    [JsonConverter(typeof(AutoOrBooleanConverter))]
    public bool? GradientCheckpointing { get; set; }

    /// <summary>Bytes that model and training may take together; a training that is estimated to need more throws before it begins.</summary>
    [JsonConverter(typeof(ByteSizeConverter))]
    public long? MaxMemory { get; set; }

    /// <summary>Tokens per row at most, prompt and completion together.</summary>
    public int? MaxLength { get; set; }

    /// <summary>Share of the rows kept for validation; 0 trains on all rows and keeps the last step.</summary>
    public double? ValidationShare { get; set; }

    /// <summary>
    /// So many times, that part of the rows is held out and the rest trained on; then the adapter is trained on all rows up to the best
    /// step found. 0 keeps <see cref="ValidationShare"/> of the rows for good instead; by default 5 folds where there are 5 to 99 rows.
    /// </summary>
    public int? ValidationFolds { get; set; }

    /// <summary>Validations without a better loss after which training ends; 0 never ends early. The best step is kept either way.</summary>
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>Steps between validations; 0 validates at the end of every epoch.</summary>
    public long? EvalSteps { get; set; }

    /// <summary>Steps between lines in <c>metrics.jsonl</c> and TensorBoard.</summary>
    public long? LoggingSteps { get; set; }

    /// <summary>Steps between checkpoints of the run's whole state in <see cref="OutputDir"/>; 0 writes none.</summary>
    public long? CheckpointSteps { get; set; }

    /// <summary>Goes on from the run directory's checkpoint, if there is one, and ends in the same bits.</summary>
    public bool? ResumeFromCheckpoint { get; set; }

    /// <summary>
    /// After training, so many unseen inputs are answered, and the summary says how much of the answers is copied from the training rows
    /// word for word; 4 by default, 0 leaves that out.
    /// </summary>
    [JsonPropertyName("memorisation_samples")]
    public int? MemorizationSamples { get; set; }

    /// <summary>With folds, how many times the epochs are doubled while the validation loss of the first fold still falls; 2 by default.</summary>
    public int? EpochDoublings { get; set; }

    /// <summary>
    /// At most so many rows that were held out are answered by a model that has not seen them, to calibrate the confidences of reports;
    /// 200 by default, 0 leaves that out.
    /// </summary>
    public int? CalibrationRows { get; set; }

    /// <summary>Decides the initial A, the split, the order of rows and dropout. Same seed, same bits on the CPU.</summary>
    public ulong? Seed { get; set; }
}

/// <summary>What the learning rate does after the warm-up.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<SchedulerType>))]
public enum SchedulerType
{
    /// <summary>Half a cosine, down to zero.</summary>
    Cosine,

    /// <summary>A straight line, down to zero.</summary>
    Linear,

    /// <summary>It stays.</summary>
    Constant,
}
