//! Other tools' names for the options of sessions, generation and reports.

use super::Meaning::{In, Name, Nothing};
use super::{ARGUMENT, Rows};

pub(super) const SESSION: Rows = &[
    (
        Name("context_length"),
        "n_ctx ctx_size num_ctx max_seq_length max_seq_len max_length max_model_len context_size context_window ctx \
         max_context_length max_position_embeddings kv_cache_size max_context sequence_length cutoff_len",
    ),
    (
        Name("system"),
        "system_prompt system_message instructions instruction role_prompt default_system preamble system_instruction \
         role developer",
    ),
    (
        In("generate", "max_tokens"),
        "max_tokens max_new_tokens max_completion_tokens max_output_tokens n_predict num_predict",
    ),
    (In("generate", "temperature"), "temperature temp"),
    (In("generate", "top_k"), "top_k"),
    (In("generate", "top_p"), "top_p"),
    (In("generate", "min_p"), "min_p"),
    (In("generate", "seed"), "seed"),
    (In("generate", "stop"), "stop stop_sequences stop_strings stop_words"),
    (In("generate", "repetition_penalty"), "repetition_penalty repeat_penalty"),
    (In("generate", "json_schema"), "json_schema response_format"),
    (In("model", "device"), "device"),
    (In("model", "threads"), "threads n_threads num_threads"),
    (In("model", "dtype"), "dtype torch_dtype"),
    (
        Nothing("adapters are attached with `tailora_session_attach`, which takes the scale"),
        "adapters adapter lora scale loras",
    ),
    (Nothing("each call brings its own prompt"), "prompt"),
    (In("generate", "messages"), "messages history chat_history conversation"),
];

pub(super) const GENERATE: Rows = &[
    (
        Name("max_tokens"),
        "n_predict max_new_tokens max_completion_tokens max_output_tokens num_predict max_length max_gen_len \
         max_tokens_to_sample max_generation_tokens max_gen_tokens n_tokens num_tokens length max_decode_length \
         max_response_tokens generate_tokens",
    ),
    (Name("temperature"), "temp sampling_temperature t"),
    (Name("top_k"), "k topk_tokens"),
    (Name("top_p"), "p nucleus nucleus_p topp_value"),
    (Name("min_p"), "minimum_p"),
    (
        Name("repetition_penalty"),
        "repeat_penalty rep_pen repetitionpenalty repeat_pen penalty_repeat rep_penalty repetition",
    ),
    (Name("presence_penalty"), "penalty_present presencepenalty presence"),
    (Name("frequency_penalty"), "penalty_freq frequencypenalty frequency freq_penalty"),
    (Name("typical_p"), "typical typ_p locally_typical"),
    (Name("dry_multiplier"), "dry"),
    (Name("dry_penalty_last_n"), "dry_range dry_penalty_range"),
    (Name("dry_sequence_breakers"), "dry_sequence_breaker dry_breakers sequence_breakers"),
    (Name("logit_bias"), "logit_biases sequence_bias token_bias"),
    (
        Nothing(
            "of tokens that are there already, `repetition_penalty` sees prompt and completion, the other penalties the completion",
        ),
        "penalize_nl repeat_last_n penalty_last_n",
    ),
    (
        Nothing(
            "repetition is held back by `repetition_penalty`, `presence_penalty`, `frequency_penalty` and `dry_multiplier`",
        ),
        "no_repeat_ngram_size length_penalty encoder_repetition_penalty penalty_alpha",
    ),
    (Nothing("tokens are ruled out by `logit_bias` −100"), "bad_words_ids suppress_tokens begin_suppress_tokens"),
    (
        Name("stop"),
        "stop_sequences stop_strings stop_words stop_sequence stopping_criteria stopping_strings antiprompt \
         reverse_prompt stop_tokens stop_token_sequences end_sequences r",
    ),
    (
        Nothing("the model's own end tokens always end a text; further texts that end it go into `stop`"),
        "stop_token_ids eos_token_id eos_token_ids ignore_eos pad_token_id bos_token_id min_tokens min_new_tokens \
         min_length early_stopping include_stop_str_in_output",
    ),
    (
        Name("json_schema"),
        "response_format guided_json json_mode schema response_schema output_schema structured_outputs format \
         json_object response_json_schema guided_decoding response_mime_type output_format structured_output",
    ),
    (Name("regex"), "guided_regex regexp structural_regex regular_expression"),
    (Name("lark"), "guided_grammar lark_grammar grammar_lark"),
    (
        Nothing("what a text must look like is said by `json_schema`, `regex` or `lark`"),
        "grammar gbnf grammar_file guided_choice tools tool_choice functions function_call parallel_tool_calls",
    ),
    (
        Nothing("`temperature` 0 is greedy, and above 0 tokens are drawn"),
        "do_sample greedy sample sampling decoding sampler samplers sampling_method use_greedy",
    ),
    (
        Nothing("texts are generated token by token; several of one prompt are asked for by `n`"),
        "num_beams best_of beam_size use_beam_search n_beams num_beam_groups diversity_penalty",
    ),
    (
        Nothing("the samplers are `temperature`, `top_k`, `top_p`, `min_p` and `typical_p`"),
        "mirostat mirostat_tau mirostat_eta mirostat_ent mirostat_lr tfs_z tfs top_a top_n_sigma \
         xtc_probability xtc_threshold epsilon_cutoff eta_cutoff dynatemp_range dynatemp_exponent dynamic_temperature \
         smoothing_factor top_h min_keep",
    ),
    (Name("seed"), "random_seed manual_seed rng_seed random_state"),
    (
        Name("system"),
        "system_prompt system_message instructions instruction role_prompt system_instruction preamble developer",
    ),
    (Name("raw"), "raw_prompt no_template use_template apply_chat_template add_generation_prompt add_special_tokens"),
    (
        Name("logprobs"),
        "return_logprobs output_scores output_logits log_probs logits_all return_logits response_logprobs",
    ),
    (Name("top_logprobs"), "n_probs num_logprobs top_logprob"),
    (Name("n"), "num_return_sequences num_completions candidate_count n_samples num_samples n_choices"),
    (Nothing("a given text is scored with `tailora_session_score`"), "prompt_logprobs echo"),
    (
        In("session", "context_length"),
        "context_length n_ctx ctx_size num_ctx max_seq_length max_seq_len context_window",
    ),
    (In("model", "threads"), "threads n_threads num_threads num_thread"),
    (In("model", "device"), "device n_gpu_layers ngl num_gpu"),
    (
        Nothing("a text that comes in chunks is opened with `tailora_stream_open`"),
        "stream streaming stream_options streamer",
    ),
    (Nothing("each call brings its one prompt"), "prompt input suffix"),
    (Name("messages"), "history chat_history conversation chat turns dialog dialogue"),
    (Nothing(ARGUMENT), "model user cache_prompt use_cache prompt_cache prompt_cache_key keep n_keep store metadata"),
    (
        Nothing("a model's reasoning is part of its text"),
        "reasoning reasoning_effort think thinking enable_thinking chat_template_kwargs thinking_budget verbosity",
    ),
    (In("report", "influence"), "influence"),
    (In("report", "max_conclusions"), "max_conclusions"),
    (In("report", "mode"), "mode"),
];

pub(super) const REPORT: Rows = &[
    (Name("generate"), "generation generate_options generation_config sampling_params sampling options"),
    (
        Name("schema"),
        "json_schema response_format response_schema output_schema guided_json structured_outputs format report_schema",
    ),
    (Name("mode"), "report_mode output_mode type style"),
    (Name("max_conclusions"), "max_items conclusions num_conclusions n_conclusions max_findings max_results limit"),
    (Name("influence"), "attribution explain measure_influence explanations sources citations importance ablation"),
    (Nothing("a report gives confidences instead"), "logprobs top_logprobs confidence confidences"),
    (In("session", "context_length"), "context_length n_ctx ctx_size num_ctx max_seq_length context_window"),
    (In("model", "threads"), "threads n_threads num_threads"),
];
