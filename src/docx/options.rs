//! What a caller may ask of a Word file.

use crate::error::Result;
use crate::options::{Options, invalid};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The language of the words that a file has besides the report's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}

/// How reports are written as a Word file.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DocxOptions {
    /// Whose insertions and comments the draft's are.
    pub author: String,
    /// When the draft was inserted, as `2026-11-23T10:00:00Z`; null leaves it out, so that the same reports give the same bytes.
    pub date: Option<String>,
    /// The language of the words around the report: `zh` or `en`.
    pub language: Language,
    /// A house template (.docx or .dotx) with places for the report: content controls with the tags, or bookmarks with the names, `title`, `fields`, `report` and `note`. `report` must be there.
    pub template: Option<PathBuf>,
}

impl Default for DocxOptions {
    fn default() -> Self {
        DocxOptions { author: "Tailora (AI)".to_owned(), date: None, language: Language::Zh, template: None }
    }
}

impl DocxOptions {
    /// The date as Word writes it: in UTC, to the second.
    pub(super) fn date(&self) -> Result<Option<String>> {
        let Some(date) = &self.date else { return Ok(None) };
        let parsed = date.parse::<Timestamp>().ok().filter(|time| time.as_second() >= 0);
        let parsed = parsed.ok_or_else(|| {
            invalid("date", format!("`{date}`"), "a time with its zone after 1970, such as 2026-11-23T10:00:00Z")
        })?;
        Ok(Some(parsed.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()))
    }
}

impl Options for DocxOptions {
    const NAME: &'static str = "docx";

    fn check(&self) -> Result<()> {
        if self.author.trim().is_empty() || self.author.chars().count() > 255 || self.author.contains(char::is_control)
        {
            return Err(invalid("author", format!("{:?}", self.author), "a name of 1 to 255 characters on one line"));
        }
        self.date().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::parse;

    #[test]
    fn dates_and_authors_are_checked() {
        let date = |json: &str| parse::<DocxOptions>(Some(json)).unwrap().date().unwrap();
        assert_eq!(date("{}"), None);
        assert_eq!(date(r#"{"date":"2026-11-23T10:00:00.5+08:00"}"#).unwrap(), "2026-11-23T02:00:00Z");
        for (json, name) in [
            (r#"{"date":"yesterday"}"#, "date"),
            (r#"{"date":"2026-11-23"}"#, "date"),
            (r#"{"date":"-000001-01-01T00:00:00Z"}"#, "date"),
            (r#"{"author":" "}"#, "author"),
            (r#"{"author":"a\nb"}"#, "author"),
            (r#"{"language":"fr"}"#, "language"),
        ] {
            assert_eq!(parse::<DocxOptions>(Some(json)).unwrap_err().details()["option"], name, "{json}");
        }
    }
}
