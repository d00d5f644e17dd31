//! What options are called elsewhere: transformers' `Trainer`, PEFT, TRL, Axolotl, LLaMA-Factory, Unsloth, torchtune, MLX,
//! llama.cpp, Ollama, vLLM, OpenAI. The name is looked up as it is read: without `_` and `-`, in small letters.

mod data;
mod inference;
mod training;

/// What a name of another tool is here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::options) enum Meaning<'a> {
    /// This option of the same set.
    Name(&'a str),
    /// An option of another set: the set, and its name there.
    In(&'static str, &'static str),
    /// Nothing, and why.
    Nothing(&'static str),
}

/// What `key` means among the options of `set`, if another tool has it.
pub(in crate::options) fn meaning(set: &str, key: &str) -> Option<Meaning<'static>> {
    let key = squeezed(key);
    let rows = TABLE.iter().find(|(name, _)| *name == set).map(|(_, rows)| *rows)?;
    let row = rows.iter().find(|(_, names)| names.split_whitespace().any(|name| squeezed(name) == key))?;
    Some(row.0)
}

/// A name without what tools differ in.
pub(in crate::options) fn squeezed(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

type Rows = &'static [(Meaning<'static>, &'static str)];

const TABLE: &[(&str, Rows)] = &[
    ("train", training::TRAIN),
    ("model", data::MODEL),
    ("dataset", data::DATASET),
    ("session", inference::SESSION),
    ("generate", inference::GENERATE),
    ("report", inference::REPORT),
    ("evaluate", training::EVALUATE),
    ("adapter", data::ADAPTER),
];

const ARGUMENT: &str = "it is an argument of the call: a handle, or a path";
const NO_NETWORK: &str = "the library reads local files only and runs no code of a model";
const TEMPLATE: &str = "the model's own chat template is used";

/// Every option that the table points to: its set and name.
#[cfg(test)]
pub(crate) fn targets() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().flat_map(|(set, rows)| {
        rows.iter().filter_map(|(meaning, _)| match *meaning {
            Meaning::Name(name) => Some((*set, name)),
            Meaning::In(owner, name) => Some((owner, name)),
            Meaning::Nothing(_) => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Name, Nothing};
    use super::*;

    #[test]
    fn a_name_has_one_meaning_in_a_set() {
        for (set, rows) in TABLE {
            let mut seen = std::collections::BTreeSet::new();
            for name in rows.iter().flat_map(|(_, names)| names.split_whitespace()) {
                assert!(seen.insert(squeezed(name)), "{set}: `{name}` stands twice");
            }
        }
    }

    #[test]
    fn names_are_read_in_every_spelling() {
        for name in ["lora_r", "lora-r", "loraR", "LORA_R", "lora.r"] {
            assert_eq!(meaning("train", name), Some(Name("r")));
        }
        assert_eq!(meaning("train", "lora"), Some(Nothing(training::ONLY_LORA)));
        assert_eq!(meaning("train", "ra"), None);
        assert_eq!(meaning("nothing", "lora_r"), None);
    }
}
