//! The rules by which byte-level BPE splits a text before its merges, by the names that GGUF files give them.
//!
//! The expressions are those of the models' `tokenizer.json`; the names are those of llama.cpp's `llama-vocab.cpp`.

/// How a text is split.
pub(super) struct PreTokenizer {
    /// Names in `tokenizer.ggml.pre`.
    names: &'static [&'static str],
    /// Each isolates its matches in what the ones before it left.
    pub(super) splits: &'static [&'static str],
    /// Whether GPT-2's own expression splits last.
    pub(super) gpt2: bool,
    /// Whether text is composed (NFC) first.
    pub(super) nfc: bool,
    /// Whether a piece that is a token is that token, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// Whether BOS begins a text where the file does not say.
    pub(super) begins_with_bos: bool,
}

/// What most rules say.
const PLAIN: PreTokenizer =
    PreTokenizer { names: &[], splits: &[], gpt2: false, nfc: false, ignore_merges: false, begins_with_bos: false };

const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// With up to three digits together; GPT-4's `cl100k`.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// GPT-4o's `o200k`.
const O200K: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// DeepSeek's letters: those that have a case, of the scripts it knows. As numbers, since editors compose characters.
const DEEPSEEK_LETTERS: &str = r"\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af}\x{370}-\x{373}\x{376}\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e}\x{2183}\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}\x{2cf3}\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+";
const DEEPSEEK_PUNCTUATION: &str = r"\s?[!-/:-~！-／：-～‘-‟　-。]+";
const DEEPSEEK_HAN: &str = r"[一-龥ࠀ-一가-퟿]+";

const ALL: [PreTokenizer; 11] = [
    PreTokenizer { names: &["qwen2"], splits: &[QWEN2], nfc: true, ..PLAIN },
    PreTokenizer { names: &["deepseek-r1-qwen", "megrez", "stablelm2"], splits: &[QWEN2], ..PLAIN },
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"],
        splits: &[LLAMA3],
        ignore_merges: true,
        begins_with_bos: true,
        ..PLAIN
    },
    // Phi-4 and OLMo 2; SmolLM3; GLM-4 of the first files.
    PreTokenizer { names: &["dbrx", "smaug-bpe", "chatglm-bpe"], splits: &[LLAMA3], ..PLAIN },
    PreTokenizer { names: &["glm4"], splits: &[LLAMA3], ignore_merges: true, ..PLAIN },
    // Phi-4-mini.
    PreTokenizer { names: &["gpt-4o"], splits: &[O200K], ..PLAIN },
    // Mistral NeMo.
    PreTokenizer { names: &["tekken"], splits: &[TEKKEN], ignore_merges: true, begins_with_bos: true, ..PLAIN },
    PreTokenizer {
        names: &["deepseek-llm"],
        splits: &[r"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_PUNCTUATION, r"\s+$", DEEPSEEK_HAN, r"\p{N}+"],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        splits: &[r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_HAN, r"\p{N}"],
        ..PLAIN
    },
    // Granite.
    PreTokenizer { names: &["refact", "smollm", "starcoder"], splits: &[r"\p{N}"], gpt2: true, ..PLAIN },
    PreTokenizer { names: &["gpt-2", "phi-2", "olmo"], gpt2: true, ..PLAIN },
];

/// The rule of a name.
pub(super) fn named(name: &str) -> Option<&'static PreTokenizer> {
    ALL.iter().find(|rule| rule.names.contains(&name))
}

/// All names, for messages.
pub(super) fn names() -> String {
    ALL.iter().flat_map(|rule| rule.names).copied().collect::<Vec<_>>().join(", ")
}
