//! What a `tokenizer.json` says, read before the `tokenizers` crate acts on it: that crate trusts its files, allocates
//! by numbers it finds in them and panics on parameters that make no sense.
//!
//! Only the kinds of components are let through that the models here are made with, with parameters that cannot make a
//! text grow without a bound.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::collections::BTreeSet;

/// Components of a pipeline; real ones have up to a dozen.
const MOST_COMPONENTS: usize = 32;
/// How much longer than the text a normalized text, or a decoded token, may be; real ones have 3 (`▁` for a space).
const MOST_GROWTH: usize = 16;
/// Patterns of real tokenizers have up to 2 KB.
const LONGEST_PATTERN: usize = 16 << 10;
/// Real ones are a word or two.
const LONGEST_CONTENT: usize = 256;
/// Steps back that a pattern may take at one place of a short text. Real ones take some hundreds.
const MOST_STEPS_BACK: usize = 4000;
/// What patterns are tried on, each so many times over, besides what stands in them.
const TRIED: [&str; 10] = ["a", "A", " ", "1", "\n", "高", "!", "a ", "aB1", "'s "];
const TRIED_TIMES: usize = 150;
/// Characters, and words, of a pattern that it is tried on.
const TRIED_OWN: usize = 64;

/// The small parts of the file; its vocabulary is left to the crate.
#[derive(Deserialize)]
pub(super) struct Outline {
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    post_processor: Value,
    #[serde(default)]
    decoder: Value,
    #[serde(default)]
    pub added_tokens: Vec<Added>,
    model: Model,
}

#[derive(Deserialize)]
pub(super) struct Added {
    pub id: u64,
    pub content: String,
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    dropout: Option<f64>,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
    #[serde(rename = "vocab")]
    _vocab: Option<IgnoredAny>,
    #[serde(rename = "merges")]
    _merges: Option<IgnoredAny>,
}

impl Outline {
    /// Reads the outline and refuses what is harmful or unknown; the error says what.
    pub fn read(text: &str) -> Result<Self, String> {
        // A list of its parts in their order would do for serde.
        if text.trim_start().starts_with('[') {
            return Err("the file is a list; expected an object".to_owned());
        }
        let outline: Outline = serde_json::from_str(text).map_err(|err| err.to_string())?;
        bounded("normalizers", steps(&outline.normalizer, "normalizers")?, normalizer_growth)?;
        let mut rewriting = 0;
        for step in steps(&outline.pre_tokenizer, "pretokenizers")? {
            pre_tokenizer(step)?;
            rewriting += usize::from(matches!(kind(step), "ByteLevel" | "Metaspace"));
        }
        if rewriting > 2 {
            return Err("more than two of its pre-tokenizers rewrite the text".to_owned());
        }
        for step in steps(&outline.post_processor, "processors")? {
            post_processor(step)?;
        }
        bounded("decoders", steps(&outline.decoder, "decoders")?, decoder_growth)?;
        outline.model.check()?;
        Ok(outline)
    }

    /// Whether encoding leaves out merges by chance, as for training a tokenizer's model.
    pub fn has_dropout(&self) -> bool {
        self.model.dropout.is_some_and(|dropout| dropout != 0.0)
    }
}

impl Model {
    fn check(&self) -> Result<(), String> {
        match self.kind.as_deref() {
            None | Some("BPE" | "Unigram" | "WordLevel") => {}
            Some(other) => return Err(format!("its model is of the type `{other}`; expected BPE or Unigram")),
        }
        let affixes = [&self.continuing_subword_prefix, &self.end_of_word_suffix];
        if affixes.into_iter().flatten().any(|affix| !affix.is_empty()) {
            return Err("its model marks the inside or the end of words; expected one that marks spaces".to_owned());
        }
        Ok(())
    }
}

/// The components of a part, sequences within sequences laid out in a row.
fn steps<'v>(part: &'v Value, inside: &str) -> Result<Vec<&'v Value>, String> {
    let mut found = Vec::new();
    let mut open = vec![part];
    let mut seen = 0;
    while let Some(step) = open.pop() {
        seen += 1;
        if seen > MOST_COMPONENTS {
            return Err(format!("it has more than {MOST_COMPONENTS} {inside}"));
        }
        match (step, kind(step)) {
            (Value::Null, _) => {}
            (_, "Sequence") => match step.get(inside).and_then(Value::as_array) {
                Some(steps) if steps.len() <= MOST_COMPONENTS => open.extend(steps.iter().rev()),
                Some(_) => return Err(format!("it has more than {MOST_COMPONENTS} {inside}")),
                None => return Err(format!("a `Sequence` has no `{inside}`")),
            },
            _ => found.push(step),
        }
    }
    Ok(found)
}

fn kind(step: &Value) -> &str {
    step.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// How many times as long a normalizer can make a text.
fn normalizer_growth(step: &Value) -> Result<usize, String> {
    match kind(step) {
        "Replace" => {
            pattern(step, "normalizer")?;
            Ok(replace_growth(step))
        }
        "Prepend" if step["prepend"].as_str().is_some_and(|text| text.len() > LONGEST_CONTENT) => {
            Err(format!("the normalizer `Prepend` has more than {LONGEST_CONTENT} bytes"))
        }
        "Precompiled" => precompiled(step).map(|()| 1),
        "ByteLevel" => Ok(2),
        "BertNormalizer" | "Strip" | "StripAccents" | "NFC" | "NFD" | "NFKC" | "NFKD" | "Lowercase" | "Nmt"
        | "Prepend" => Ok(1),
        other => Err(format!("the normalizer `{other}` is not known")),
    }
}

/// Refuses steps that together can make a text much longer.
fn bounded(what: &str, steps: Vec<&Value>, growth: impl Fn(&Value) -> Result<usize, String>) -> Result<(), String> {
    let all = steps.into_iter().try_fold(1usize, |all, step| Ok::<_, String>(all.saturating_mul(growth(step)?)))?;
    if all > MOST_GROWTH {
        return Err(format!("its {what} can make a text {all} times as long; expected at most {MOST_GROWTH} times"));
    }
    Ok(())
}

/// Other decoders than `Replace` take away.
fn decoder_growth(step: &Value) -> Result<usize, String> {
    pattern(step, "decoder")?;
    Ok(if kind(step) == "Replace" { replace_growth(step) } else { 1 })
}

fn replace_growth(step: &Value) -> usize {
    let content = step["content"].as_str().unwrap_or_default().len();
    match step["pattern"]["String"].as_str() {
        Some(old) => content.div_ceil(old.len().max(1)).max(1),
        // It may match between any two characters.
        None => 1 + content,
    }
}

/// SentencePiece's table begins with the size of its first part, by which the crate allocates.
fn precompiled(step: &Value) -> Result<(), String> {
    let text = step["precompiled_charsmap"].as_str().unwrap_or_default().as_bytes();
    let digit = |c: u8| -> Option<u32> {
        Some(u32::from(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    let damaged = || "the normalizer `Precompiled` is damaged".to_owned();
    let first = text.get(..6).ok_or_else(damaged)?;
    let bits = first.iter().try_fold(0u64, |bits, c| Some(bits << 6 | u64::from(digit(*c)?))).ok_or_else(damaged)?;
    let size = u32::try_from(bits >> 4).map_err(|_| damaged())?.swap_bytes();
    let bytes = (text.len() / 4 * 3).saturating_sub(4);
    if size < 4 || size as usize > bytes {
        return Err(format!("the normalizer `Precompiled` claims a table of {size} bytes and has {bytes}"));
    }
    Ok(())
}

fn pre_tokenizer(step: &Value) -> Result<(), String> {
    match kind(step) {
        "FixedLength" if step.get("length").is_some_and(|length| length.as_u64().is_none_or(|length| length == 0)) => {
            Err(format!("the pre-tokenizer `FixedLength` has the length {}; expected at least 1", step["length"]))
        }
        "Split" => pattern(step, "pre-tokenizer"),
        "ByteLevel" | "Metaspace" | "Digits" | "Whitespace" | "WhitespaceSplit" | "Punctuation"
        | "BertPreTokenizer" | "UnicodeScripts" | "CharDelimiterSplit" | "FixedLength" => Ok(()),
        other => Err(format!("the pre-tokenizer `{other}` is not known")),
    }
}

fn post_processor(step: &Value) -> Result<(), String> {
    let pieces = ["single", "pair"].into_iter().filter_map(|side| step.get(side)?.as_array());
    if pieces.map(Vec::len).max().is_some_and(|pieces| pieces > MOST_COMPONENTS) {
        return Err(format!("its post-processor puts together more than {MOST_COMPONENTS} pieces"));
    }
    // Each of them is put into every text.
    let tokens = step.get("special_tokens").and_then(Value::as_object).into_iter().flat_map(|tokens| tokens.values());
    let ids = tokens.filter_map(|token| token.get("ids")?.as_array());
    if ids.map(Vec::len).max().is_some_and(|ids| ids > MOST_COMPONENTS) {
        return Err(format!("a special token of its post-processor has more than {MOST_COMPONENTS} ids"));
    }
    Ok(())
}

/// Checks a component's `pattern`, if it has one.
fn pattern(step: &Value, what: &str) -> Result<(), String> {
    let Some(pattern) = step.get("pattern") else { return Ok(()) };
    let kind = kind(step);
    let text = pattern.get("String").or(pattern.get("Regex")).and_then(Value::as_str);
    let text = text.ok_or_else(|| format!("the {what} `{kind}` has no pattern"))?;
    if text.is_empty() {
        return Err(format!("the {what} `{kind}` looks for an empty text"));
    }
    if text.len() > LONGEST_PATTERN {
        return Err(format!("the {what} `{kind}` has a pattern of {} bytes", text.len()));
    }
    if pattern.get("Regex").is_some() && explodes(text) {
        return Err(format!("the {what} `{kind}` has a pattern that takes too many steps on a text of some words"));
    }
    if step["content"].as_str().is_some_and(|content| content.len() > LONGEST_CONTENT) {
        return Err(format!("the {what} `{kind}` puts in more than {LONGEST_CONTENT} bytes"));
    }
    Ok(())
}

/// Whether a pattern tries too much again at one place, which it would do at each place of a long text. One that is no
/// pattern is left to the crate, which says why.
fn explodes(pattern: &str) -> bool {
    let Ok(regex) = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(MOST_STEPS_BACK).build() else {
        return false;
    };
    // A pattern that names characters, or words, of its own explodes on those.
    let characters: BTreeSet<&str> = pattern.split("").filter(|character| !character.is_empty()).collect();
    let words: BTreeSet<&str> = pattern.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() > 1).collect();
    let own = characters.into_iter().take(TRIED_OWN).chain(words.into_iter().take(TRIED_OWN));
    TRIED.into_iter().chain(own).any(|text| regex.find_iter(&text.repeat(TRIED_TIMES)).any(|found| found.is_err()))
}
