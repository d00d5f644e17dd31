//! Other tools' names for the options of training and evaluation.

use super::Meaning::{In, Name, Nothing};
use super::{ARGUMENT, NO_NETWORK, Rows, TEMPLATE};

const ADAMW: &str = "training uses AdamW; its settings are `learning_rate`, `adam_beta1`, `adam_beta2`, `adam_epsilon` and \
                     `weight_decay`";
const F32: &str = "training computes in f32; the type of the weights is the model option `dtype`";
pub(super) const ONLY_LORA: &str =
    "only LoRA matrices of linear layers are trained, as `r`, `lora_alpha` and `target_modules` say";
const LOCAL: &str = "metrics go to `output_dir` as JSON lines and TensorBoard events, and nothing is sent anywhere";
const PACKED: &str = "rows are packed into micro-batches without padding anyhow";
const ANSWERS: &str = "only answers are trained, never prompts";
const ONE_PROCESS: &str = "training runs in this process, on one device";
const BEST: &str = "the best step by validation loss is always what is given out";

pub(super) const TRAIN: Rows = &[
    (Name("r"), "lora_r lora_rank rank lora_dim network_dim adapter_rank peft_lora_r lora_attn_dim"),
    (Name("lora_alpha"), "alpha network_alpha adapter_alpha peft_lora_alpha lora_scale lora_scaling"),
    (Name("lora_dropout"), "dropout adapter_dropout lora_dropout_p peft_lora_dropout dropout_rate"),
    (
        Name("target_modules"),
        "lora_target lora_targets lora_target_modules lora_target_linear lora_modules lora_attn_modules target_layers \
         target_parameters lora_keys keys apply_lora_to_mlp apply_lora_to_output layers_to_transform layers_pattern \
         lora_layers",
    ),
    (Name("exclude_modules"), "exclude lora_exclude_modules exclude_target_modules ignore_modules"),
    (Name("use_rslora"), "rslora use_rs_lora lora_use_rslora peft_use_rslora"),
    (Name("rank_pattern"), "lora_rank_pattern ranks"),
    (Name("alpha_pattern"), "lora_alpha_pattern alphas"),
    (Name("loraplus_lr_ratio"), "lora_plus_lr_ratio loraplus_ratio loraplus"),
    (Name("learning_rate"), "lr base_lr max_lr peak_lr init_lr initial_lr step_size lora_lr"),
    (
        Nothing("a multiplier has no meaning without a vendor's default; set `learning_rate`"),
        "learning_rate_multiplier lr_multiplier",
    ),
    (
        Name("num_train_epochs"),
        "epochs num_epochs n_epochs epoch max_epochs train_epochs total_epochs training_epochs number_of_epochs \
         epoch_count",
    ),
    (
        Name("max_steps"),
        "iters num_steps total_steps max_iters steps num_train_steps max_train_steps training_steps train_steps n_steps \
         iterations num_iterations",
    ),
    (Name("min_steps"), "minimum_steps min_train_steps"),
    (
        Name("batch_size"),
        "per_device_train_batch_size per_device_batch_size per_gpu_train_batch_size per_gpu_batch_size \
         train_batch_size micro_batch_size micro_train_batch_size mini_batch_size batchsize bs n_batch batch \
         per_device_eval_batch_size per_gpu_eval_batch_size eval_batch_size val_batch_size global_batch_size",
    ),
    (
        Name("gradient_accumulation_steps"),
        "grad_accumulation_steps gradient_accumulation accumulation_steps grad_accum grad_accum_steps gas accum_steps \
         accumulate_grad_batches grad_acc grad_acc_steps",
    ),
    (
        Name("gradient_checkpointing"),
        "use_gradient_checkpointing grad_checkpoint grad_checkpointing activation_checkpointing checkpoint_activations \
         enable_activation_checkpointing gradient_checkpoint disable_gradient_checkpointing \
         gradient_checkpointing_kwargs",
    ),
    (Name("max_memory"), "memory_limit max_ram ram_limit memory_budget max_memory_mb max_memory_gb"),
    (
        Name("max_length"),
        "cutoff_len cutoff max_seq_length max_seq_len sequence_len seq_len sequence_length seq_length block_size \
         max_sequence_length model_max_length max_input_length max_context_length max_tokens n_ctx ctx_size \
         context_length max_prompt_length max_completion_length max_source_length max_target_length",
    ),
    (
        Name("validation_share"),
        "val_size validation_split val_split val_set_size test_size eval_split validation_size validation_ratio \
         val_ratio dev_size val_fraction validation_fraction validation_split_percentage test_split eval_ratio \
         eval_size dev_ratio holdout split_ratio val_percent train_test_split",
    ),
    (Name("validation_folds"), "folds k_folds n_folds num_folds kfold cv cv_folds n_splits cross_validation"),
    (
        Name("early_stopping_patience"),
        "patience early_stopping early_stopping_rounds early_stop early_stop_patience early_stopping_steps \
         stop_after n_iter_no_change",
    ),
    (
        Nothing("any lower validation loss counts, and `early_stopping_patience` says how many may pass without one"),
        "early_stopping_threshold early_stopping_delta min_delta early_stopping_min_delta",
    ),
    (
        Name("eval_steps"),
        "evaluation_steps val_check_interval steps_per_eval eval_every eval_frequency val_steps validation_steps \
         eval_interval eval_iters val_interval evals_per_epoch eval_strategy evaluation_strategy do_eval val_batches",
    ),
    (
        Name("logging_steps"),
        "log_every log_steps log_interval steps_per_report log_every_n_steps logging_interval logging_strategy \
         logging_first_step log_frequency print_every",
    ),
    (
        Name("checkpoint_steps"),
        "save_steps save_every checkpoint_every saves_per_epoch save_interval checkpointing_steps checkpoint_interval \
         save_strategy save_freq save_frequency save_every_n_steps",
    ),
    (
        Name("resume_from_checkpoint"),
        "resume resume_from resume_adapter_file auto_resume_from_checkpoints resume_training resume_from_checkpoints \
         continue_training",
    ),
    (Nothing("each checkpoint replaces the last"), "save_total_limit keep_checkpoints max_checkpoints max_to_keep"),
    (Nothing(BEST), "load_best_model_at_end metric_for_best_model greater_is_better save_best_model save_best"),
    (
        Name("warmup_ratio"),
        "warmup warm_up_ratio warmup_proportion warmup_fraction warmup_pct warmup_share warmup_percent \
         lr_warmup_ratio",
    ),
    (
        Name("warmup_steps"),
        "num_warmup_steps warm_up_steps warmup_iters warmup_iterations lr_warmup_steps n_warmup_steps warmup_epochs \
         warmup_num_steps",
    ),
    (
        Name("lr_scheduler_type"),
        "lr_scheduler scheduler scheduler_type lr_schedule lr_decay_style learning_rate_scheduler lr_scheduler_name \
         schedule learning_rate_schedule decay_type",
    ),
    (
        Nothing("the schedules are those of `lr_scheduler_type`, down to zero"),
        "min_lr min_learning_rate lr_scheduler_kwargs cosine_min_lr_ratio min_lr_ratio final_lr lr_decay end_lr \
         lr_end num_cycles lr_decay_iters lr_decay_steps gamma",
    ),
    (
        Name("max_grad_norm"),
        "gradient_clipping grad_clip clip_grad_norm gradient_clip_val clip_grad max_gradient_norm grad_norm_clip \
         gradient_clip clip_norm clip_gradients max_norm grad_norm",
    ),
    (Name("weight_decay"), "wd decay l2 adam_weight_decay adamw_weight_decay"),
    (Name("adam_beta1"), "beta1 adam_b1 adam_beta_1"),
    (Name("adam_beta2"), "beta2 adam_b2 adam_beta_2"),
    (Name("adam_epsilon"), "eps epsilon adam_eps adamw_eps"),
    (Name("seed"), "random_seed random_state data_seed manual_seed rng_seed torch_seed"),
    (
        Name("output_dir"),
        "output out_dir output_path save_dir save_path adapter_path checkpoint_dir save_folder output_folder \
         logging_dir log_dir tensorboard_dir project_dir out_path",
    ),
    (Name("name"), "run_name adapter_name output_name experiment_name suffix job_name project_name"),
    (Name("memorisation_samples"), "memorization_samples"),
    (
        Nothing(ADAMW),
        "optim optimizer optimiser optimizer_type optim_args optim_target_modules adafactor betas momentum",
    ),
    (
        Nothing(F32),
        "fp16 bf16 tf32 pure_bf16 mixed_precision precision fp32 half_precision_backend fp16_full_eval bf16_full_eval \
         amp upcast_layernorm upcast_lmhead_output fp16_opt_level float16 bfloat16 compute_type",
    ),
    (In("model", "dtype"), "dtype torch_dtype"),
    (
        In("model", "quantize"),
        "quantize load_in_4bit load_in_8bit quantization_bit quantization bnb_4bit_quant_type bnb_4bit_compute_dtype \
         bnb_4bit_use_double_quant double_quantization quantization_method quantization_type use_qlora qlora bits \
         quantization_config",
    ),
    (
        Nothing(ONLY_LORA),
        "modules_to_save lora_modules_to_save additional_target lora_additional_target bias lora_bias use_dora dora \
         peft_use_dora init_lora_weights peft_init_lora_weights lora_init fan_in_fan_out lora_fan_in_fan_out loftq_config \
         use_llama_pro freeze_trainable_layers num_layers task_type peft_type finetuning_type fine_tune_type \
         train_type adapter use_lora use_peft lora megatron_core trainable_token_indices layer_replication \
         lora_layers_to_transform lora_layer_pattern create_new_adapter corda_config eva_config use_galore use_badam \
         pissa_init pissa_iter train_embeddings embedding_learning_rate",
    ),
    (
        Nothing(PACKED),
        "packing sample_packing eval_sample_packing neat_packing group_by_length pad_to_sequence_len pad_to_multiple_of \
         padding pad_token dynamic_padding padding_free length_column_name packing_strategy",
    ),
    (
        Nothing(ANSWERS),
        "train_on_inputs completion_only_loss assistant_only_loss train_on_prompt mask_prompt mask_history \
         response_template train_on_responses_only prompt_loss_weight roles_to_train train_on_eos",
    ),
    (
        Nothing(ONE_PROCESS),
        "deepspeed fsdp fsdp_config local_rank ddp_timeout ddp_backend ddp_find_unused_parameters n_gpu num_gpus gpus \
         world_size nproc_per_node num_processes tensor_parallel_size accelerator_config num_workers num_proc \
         dataset_num_proc preprocessing_num_workers dataloader_num_workers dataloader_pin_memory \
         dataloader_prefetch_factor dataset_processes dataloader_drop_last auto_find_batch_size use_cpu no_cuda \
         use_unsloth use_liger_kernel enable_liger_kernel torch_compile compile flash_attn flash_attention \
         use_flash_attention attn_implementation sdp_attention xformers_attention use_cache strategy",
    ),
    (
        Nothing(LOCAL),
        "report_to wandb wandb_project wandb_entity wandb_name wandb_run_id wandb_log_model use_wandb mlflow_tracking_uri \
         comet_project_name swanlab_project use_swanlab plot_loss disable_tqdm tracker_name logger",
    ),
    (
        Nothing(NO_NETWORK),
        "push_to_hub hub_model_id hub_strategy hub_token hf_token token trust_remote_code export_hub_model_id \
         hub_private_repo revision",
    ),
    (
        Nothing(ARGUMENT),
        "dataset datasets dataset_path dataset_dir dataset_name train_file training_file train_data data data_path \
         validation_file val_file eval_dataset eval_file test_datasets train_dataset base_model model model_path \
         model_name model_name_or_path model_id model_type tokenizer tokenizer_name adapter_name_or_path",
    ),
    (In("dataset", "max_rows"), "max_rows max_samples max_train_samples limit num_samples"),
    (In("dataset", "system"), "system system_prompt system_message default_system role_prompt instruction"),
    (In("dataset", "input_column"), "input_column prompt_column"),
    (In("dataset", "output_column"), "output_column response_column"),
    (In("dataset", "long_rows"), "long_rows truncation"),
    (In("model", "device"), "device device_map"),
    (In("model", "threads"), "threads num_threads n_threads"),
    (Nothing(TEMPLATE), "template chat_template prompt_template conversation_template train_on_template"),
    (
        Nothing("a run directory is never overwritten; name another, or leave `output_dir` out"),
        "overwrite_output_dir overwrite_cache overwrite",
    ),
    (
        Nothing("the training is plain LoRA fine-tuning on the rows of a CSV"),
        "stage do_train do_predict neftune_noise_alpha noisy_embedding_alpha label_smoothing_factor label_smoothing \
         rl_beta beta dpo_beta pref_loss loss_type method training_type kto_tag remove_unused_columns save_safetensors \
         save_only_model include_tokens_per_second include_num_input_tokens_seen dataset_text_field \
         dataset_kwargs formatting_func streaming shuffle shuffle_seed dataset_prepared_path special_tokens sft",
    ),
];

pub(super) const EVALUATE: Rows = &[
    (
        Name("max_length"),
        "cutoff_len max_seq_length max_seq_len sequence_len seq_len block_size model_max_length max_tokens n_ctx \
         context_length max_sequence_length",
    ),
    (
        Name("memorisation_samples"),
        "memorization_samples num_samples samples max_samples max_eval_samples n_samples max_new_tokens",
    ),
    (
        Nothing("rows are measured one after another, and the result does not depend on it"),
        "batch_size per_device_eval_batch_size eval_batch_size micro_batch_size",
    ),
    (
        Nothing("losses, perplexities and the memorisation figure are always measured"),
        "metrics metric metric_for_best_model tasks num_fewshot compute_metrics predict_with_generate",
    ),
    (In("dataset", "max_rows"), "max_rows limit"),
    (In("train", "seed"), "seed"),
];
