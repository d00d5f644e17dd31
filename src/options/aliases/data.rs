//! Other tools' names for the options of what is loaded: models, adapters, datasets.

use super::Meaning::{In, Name, Nothing};
use super::{ARGUMENT, NO_NETWORK, Rows, TEMPLATE};

const WHOLE_MODEL: &str = "a model runs on one device, which is what `device` says";

pub(super) const MODEL: Rows = &[
    (
        Name("device"),
        "device_map gpu use_gpu cuda use_cuda main_gpu device_id accelerator backend no_cuda use_cpu device_type",
    ),
    (
        Nothing(WHOLE_MODEL),
        "ngl n_gpu_layers gpu_layers num_gpu num_gpus n_gpu offload_kqv offload_folder max_memory tensor_split split_mode \
         tensor_parallel_size gpu_memory_utilization cpu_offload_gb low_vram no_kv_offload parallel",
    ),
    (Name("dtype"), "torch_dtype precision compute_dtype fp16 bf16 half"),
    (
        Name("kv_cache_dtype"),
        "type_k type_v cache_type_k cache_type_v kv_dtype kv_cache_type cache_dtype kv_cache kv_type f16_kv cache_implementation",
    ),
    (
        Name("quantize"),
        "load_in_4bit load_in_8bit quantization quantization_bit quantization_config quantization_method quant \
         quant_method bnb_4bit_quant_type bnb_4bit_compute_dtype bits use_4bit use_8bit q8 q4 quant_type bnb ftype",
    ),
    (
        Name("threads"),
        "n_threads num_threads num_thread cpu_threads thread_count n_threads_batch num_cpu_threads workers",
    ),
    (Name("name"), "model_name alias served_model_name model_alias model_id"),
    (
        In("session", "context_length"),
        "context_length n_ctx ctx_size num_ctx max_seq_length max_seq_len max_model_len context_size context_window \
         max_length max_position_embeddings ctx c",
    ),
    (In("session", "system"), "system system_prompt system_message"),
    (In("generate", "seed"), "seed"),
    (In("generate", "temperature"), "temperature temp"),
    (In("generate", "max_tokens"), "max_tokens max_new_tokens n_predict num_predict"),
    (
        Nothing("weights are mapped into memory where that saves a copy"),
        "mmap use_mmap no_mmap mlock use_mlock low_cpu_mem_usage use_safetensors",
    ),
    (
        Nothing(NO_NETWORK),
        "trust_remote_code cache_dir revision token use_auth_token hf_token local_files_only force_download \
         resume_download hf_repo hf_file repo_id code_revision download_dir",
    ),
    (
        Nothing("attention has one implementation, which is exact"),
        "attn_implementation flash_attn flash_attention use_flash_attention_2 flash_attn_2 sdpa use_cache n_batch \
         n_ubatch batch_size ubatch_size rope_freq_base rope_freq_scale rope_scaling yarn_ext_factor numa",
    ),
    (Nothing(TEMPLATE), "chat_template template chat_format tokenizer tokenizer_path jinja"),
    (
        Nothing("an adapter is loaded with `tailora_adapter_load` and attached to a session"),
        "lora lora_path adapter adapter_path adapters lora_base lora_scaled adapter_name_or_path peft_model_id",
    ),
    (Nothing(ARGUMENT), "model model_path path model_name_or_path base_model filename model_file"),
    (
        Nothing("records go to the log sink that `tailora_set_log_sink` sets"),
        "verbose log_level log_disable verbosity debug",
    ),
];

pub(super) const DATASET: Rows = &[
    (
        Name("input_column"),
        "prompt_column instruction_column question_column input prompt query instruction question source_column \
         input_field text_column prompt_key input_key user_column field_instruction column_instruction input_col",
    ),
    (
        Name("output_column"),
        "response_column completion_column answer_column output completion response answer label_column target_column \
         output_field label target completion_key output_key assistant_column field_output label_names output_col",
    ),
    (Name("system"), "system_prompt system_message default_system role_prompt system_text role instructions preamble"),
    (Name("system_variants"), "system_prompts systems role_prompts system_messages default_systems"),
    (Name("encoding"), "charset codepage file_encoding character_set"),
    (Name("delimiter"), "sep separator column_separator field_separator delim field_delimiter"),
    (Name("max_rows"), "max_samples nrows limit num_samples max_train_samples sample_size head max_examples num_rows"),
    (Name("empty_rows"), "skip_empty drop_empty empty dropna skip_blank_lines"),
    (Name("long_rows"), "truncation truncate truncation_side overflow drop_long skip_long truncation_strategy"),
    (
        In("train", "max_length"),
        "max_length cutoff_len max_seq_length max_seq_len sequence_len block_size model_max_length",
    ),
    (In("train", "validation_share"), "validation_share val_size validation_split test_size val_set_size split"),
    (In("train", "seed"), "seed shuffle_seed random_state"),
    (Nothing(TEMPLATE), "template chat_template prompt_template format formatting type"),
    (
        Nothing("CSV is read as RFC 4180 says: `\"` quotes, the first line is the header"),
        "quotechar quote escapechar header has_header skiprows lineterminator comment names usecols",
    ),
    (Nothing("the order of rows is decided in training, by its seed"), "shuffle buffer_size streaming"),
    (Nothing(ARGUMENT), "path file data_files dataset name file_name data_path dataset_path"),
];

pub(super) const ADAPTER: Rows = &[
    (Name("name"), "adapter_name alias model_name title run_name"),
    (Nothing("an adapter's scale is given when it is attached or merged"), "scale alpha lora_alpha weight scaling"),
    (Nothing(NO_NETWORK), "revision token cache_dir trust_remote_code local_files_only subfolder"),
];
