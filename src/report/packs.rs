//! Scenario packs: what a kind of report is told, looks like and must hold to, as data. Those in `packs/` are built in; a
//! host adds files of its own.

use crate::error::{Code, Error, Result};
use crate::files::read_text;
use crate::options::{invalid, read_yaml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// What a pack's file says it is.
const FORMAT: &str = "tailora.pack/1";
/// No pack is larger.
const MAX_BYTES: u64 = 1 << 20;

macro_rules! built_in {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../packs/", $name, ".yaml")))),*]
    };
}

const BUILT_IN: [(&str, &str); 10] = built_in!(
    "exit_interview.en",
    "exit_interview.zh",
    "interview_merge.en",
    "interview_merge.zh",
    "job_description.en",
    "job_description.zh",
    "policy_qa.en",
    "policy_qa.zh",
    "talent_review.en",
    "talent_review.zh"
);

/// A scenario.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// `tailora.pack/1`.
    pack: String,
    /// What a report is made of, such as `policy_qa`.
    pub name: String,
    /// The language of its texts, such as `zh`.
    pub language: String,
    /// For people.
    pub title: String,
    /// Report options that stand where a host gives none.
    report: Map<String, Value>,
}

/// The names of the packs that are built in.
pub fn pack_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

impl Pack {
    /// The built-in pack of that name, or that of a YAML or JSON file.
    ///
    /// # Errors
    /// `InvalidOptions` for a name that is none, `Io` for a file that cannot be read, `InvalidOptions` for one that is no
    /// pack, with the line.
    pub fn find(name: &str) -> Result<Pack> {
        match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => Pack::read(text, name),
            None if is_path(name) => Pack::read(&read_text(Path::new(name), MAX_BYTES)?, name),
            None => {
                let known: Vec<&str> = pack_names().collect();
                let expected = format!("the path of a .yaml or .json file, or one of {}", known.join(", "));
                Err(invalid("pack", format!("`{name}`"), &expected))
            }
        }
    }

    fn read(text: &str, name: &str) -> Result<Pack> {
        let bad = |problem: String| {
            Error::new(Code::InvalidOptions, format!("the pack {name}: {problem}")).with("option", "pack")
        };
        let of_pack = |err: Error| err.context(format!("the pack {name}")).with("option", "pack");
        let pack: Pack = read_yaml(text).map_err(of_pack)?;
        if pack.pack != FORMAT {
            return Err(bad(format!("`pack` is `{}`; expected `{FORMAT}`", pack.pack)));
        }
        Ok(pack)
    }

    /// The host's options over those of the pack.
    pub(super) fn under(self, given: Map<String, Value>) -> Value {
        let mut options = self.report;
        lay_over(&mut options, given);
        Value::Object(options)
    }
}

fn is_path(name: &str) -> bool {
    let extension = Path::new(name).extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known))
}

/// Objects of options are joined; all else, a schema too, is the host's where it has one.
fn lay_over(options: &mut Map<String, Value>, given: Map<String, Value>) {
    for (name, value) in given {
        match (options.get_mut(&name), value) {
            (Some(Value::Object(under)), Value::Object(over)) if name != "schema" => lay_over(under, over),
            (_, value) => {
                options.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ReportOptions;
    use super::*;
    use crate::options::parse;
    use serde_json::json;

    #[test]
    fn every_pack_gives_options_that_hold() {
        for name in pack_names() {
            let pack = Pack::find(name).unwrap();
            assert_eq!(format!("{}.{}", pack.name, pack.language), name);
            let options = parse::<ReportOptions>(Some(&json!({ "pack": name }).to_string())).unwrap();
            assert!(options.generate.system.is_some(), "{name}");
        }
    }

    #[test]
    fn what_the_host_says_comes_first() {
        let given = json!({ "pack": "job_description.en", "max_conclusions": 3, "generate": { "max_tokens": 50 },
            "schema": { "type": "object" } });
        let options = parse::<ReportOptions>(Some(&given.to_string())).unwrap();
        assert_eq!((options.max_conclusions, options.generate.max_tokens), (3, 50));
        assert_eq!(options.schema, Some(json!({ "type": "object" })));
        assert!(options.generate.system.unwrap().contains("recruiting"));
    }

    #[test]
    fn a_host_has_packs_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("house.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let find = || Pack::find(path.to_str().unwrap());
        write("pack: tailora.pack/1\nname: house\nlanguage: de\ntitle: Haus\nreport:\n  max_conclusions: 2\n");
        assert_eq!(find().unwrap().under(Map::new()), json!({ "max_conclusions": 2 }));
        for (text, word) in [
            ("pack: tailora.pack/9\nname: a\nlanguage: b\ntitle: c\nreport: {}\n", "tailora.pack/1"),
            ("pack: tailora.pack/1\nname: a\ncolour: red\n", "colour"),
            ("pack: [\n", "line"),
        ] {
            write(text);
            let err = find().unwrap_err();
            assert_eq!(err.code(), Code::InvalidOptions);
            assert!(err.message().contains(word), "{err}");
        }
        assert_eq!(Pack::find("talent_review").unwrap_err().details()["option"], "pack");
        assert_eq!(Pack::find("nothing.yaml").unwrap_err().code(), Code::Io);
    }
}
