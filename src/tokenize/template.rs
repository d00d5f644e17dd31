//! The chat template: a Jinja program that turns a conversation into the text the model was tuned on.
//!
//! Rendered as `transformers` renders it: its variables, its `tojson`, the tokenizer's special tokens by name, today's
//! date fixed when the model is loaded.

use super::Tokenizer;
use super::config::{TokenizerConfig, read_object};
use super::jinja::{Fault, Template, unix_lines};
use crate::error::{Code, Error, Result};
use crate::files;
use crate::model::ModelFiles;
use crate::own_stack::on_own_stack;
use jiff::civil::Date;
use serde_json::json;
use std::path::Path;

/// Far above any real template (the largest have 30 KB).
const LARGEST_TEMPLATE: u64 = 4 << 20;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    pub role: String,
    /// What was said.
    pub content: String,
    /// Whether the content is handed over as a list of parts, `[{"type": "text", "text": …}]`.
    pub in_parts: bool,
}

impl Message {
    /// A turn.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Message { role: role.to_owned(), content: content.into(), in_parts: false }
    }

    /// The same turn with another content.
    #[must_use]
    pub fn with(&self, content: impl Into<String>) -> Self {
        Message { content: content.into(), ..self.clone() }
    }

    /// The same turn, its content as parts or as a text.
    #[must_use]
    pub fn in_parts(self, in_parts: bool) -> Self {
        Message { in_parts, ..self }
    }

    fn json(&self) -> serde_json::Value {
        match self.in_parts {
            true => json!({"role": self.role, "content": [{"type": "text", "text": self.content}]}),
            false => json!({"role": self.role, "content": self.content}),
        }
    }
}

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    template: Template,
    source: String,
    special_tokens: Vec<(String, String)>,
    /// What `strftime_now` says, at midnight.
    date: Date,
}

impl ChatTemplate {
    /// The template of a model whose tokenizer is `tokenizer`: of the files in its directory, or else of its GGUF file.
    pub fn open(files: &ModelFiles, tokenizer: &Tokenizer) -> Result<Option<Self>> {
        let found = Self::load(files.directory())?;
        let ModelFiles::Gguf(gguf) = files else { return Ok(found) };
        match gguf.text("tokenizer.chat_template")?.filter(|_| found.is_none()) {
            None => Ok(found),
            Some(source) => {
                Self::compile(source.to_owned(), tokenizer.special_tokens().to_vec(), gguf.path()).map(Some)
            }
        }
    }

    /// Looks in the model's directory for `chat_template.jinja`, `chat_template.json` and `tokenizer_config.json`, in
    /// this order; `None` if the model has no template.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let config = TokenizerConfig::load(dir)?;
        let jinja = dir.join("chat_template.jinja");
        let json = dir.join("chat_template.json");
        let (path, source) = if jinja.is_file() {
            let source = files::read_text(&jinja, LARGEST_TEMPLATE)?;
            (jinja, Some(source))
        } else if let Some(mut object) = read_object(&json)? {
            let source = default_template(object.remove("chat_template").unwrap_or_default(), &json)?;
            (json, source)
        } else {
            let path = dir.join("tokenizer_config.json");
            let source = default_template(config.chat_template.unwrap_or_default(), &path)?;
            (path, source)
        };
        source.map(|source| Self::compile(source, config.special_tokens, &path)).transpose()
    }

    pub(crate) fn compile(source: String, special_tokens: Vec<(String, String)>, path: &Path) -> Result<Self> {
        let source = unix_lines(&source).into_owned();
        let template = on_own_stack(|| Template::parse(&source))?.map_err(|fault| {
            let Fault { line, message, .. } = fault;
            let file = path.display();
            Error::new(Code::Tokenizer, format!("the chat template in {file} does not compile: line {line}: {message}"))
                .with_path(path)
                .with("line", line)
        })?;
        Ok(ChatTemplate { template, source, special_tokens, date: jiff::Zoned::now().date() })
    }

    /// The same template on another day.
    #[must_use]
    pub fn on(self, date: Date) -> Self {
        ChatTemplate { date, ..self }
    }

    /// What `strftime_now` says.
    pub fn date(&self) -> Date {
        self.date
    }

    /// Whether the day makes a difference.
    pub fn tells_the_date(&self) -> bool {
        self.source.contains("strftime_now")
    }

    /// The text of a conversation; `add_generation_prompt` ends it where the assistant is to speak.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        // Training teaches answers, not trains of thought, so templates that know thinking are told to leave it out.
        let given = json!({
            "messages": messages.iter().map(Message::json).collect::<Vec<_>>(),
            "tools": null,
            "documents": null,
            "add_generation_prompt": add_generation_prompt,
            "enable_thinking": false,
        });
        let special = self.special_tokens.iter().map(|(name, text)| (name.clone(), json!(text)));
        let variables = special.chain(given.as_object().cloned().unwrap_or_default()).collect();
        let rendered = on_own_stack(|| self.template.render(&variables, self.date.at(0, 0, 0, 0)))?;
        rendered.map_err(|Fault { line, message, raised }| {
            let what = if raised { "refuses the conversation" } else { "cannot be rendered" };
            let place = if raised { String::new() } else { format!("line {line}: ") };
            Error::new(Code::Tokenizer, format!("the chat template {what}: {place}{message}")).with("line", line)
        })
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// A template is a string; a list of named ones, or an object of them by name, of which `default` is for conversations
/// without tools.
fn default_template(value: serde_json::Value, path: &Path) -> Result<Option<String>> {
    use serde_json::Value::{Array, Null, Object, String};
    let named = |name: &str| format!("has no template of the name `default`; it has {name}");
    let found = match value {
        Null => return Ok(None),
        String(source) => return Ok(Some(source)),
        Array(list) => {
            let default = list.iter().find(|entry| entry["name"] == "default");
            if let Some(source) = default.and_then(|entry| entry["template"].as_str()) {
                return Ok(Some(source.to_owned()));
            }
            named(&list.iter().filter_map(|entry| entry["name"].as_str()).collect::<Vec<_>>().join(", "))
        }
        Object(map) => {
            if let Some(source) = map.get("default").and_then(serde_json::Value::as_str) {
                return Ok(Some(source.to_owned()));
            }
            named(&map.keys().map(std::string::String::as_str).collect::<Vec<_>>().join(", "))
        }
        _ => "is neither a string nor named templates".to_owned(),
    };
    Err(Error::new(
        Code::Tokenizer,
        format!("`chat_template` in {} {found}; expected a template, or named ones with `default`", path.display()),
    )
    .with_path(path))
}

/// A role prompt and a question as one text, for templates without a role prompt.
pub(super) fn joined(system: Option<&str>, user: &str) -> String {
    system.map_or_else(|| user.to_owned(), |system| format!("{system}\n\n{user}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str, messages: &[Message]) -> Result<String> {
        ChatTemplate::compile(source.to_owned(), vec![("bos_token".into(), "<s>".into())], Path::new("t.jinja"))?
            .render(messages, true)
    }

    #[test]
    fn the_environment_is_that_of_transformers() {
        let user = [Message::new("user", " 你好 \"x\" <b> ")];
        for (source, expected) in [
            ("{{ bos_token }}{{ messages[0]['content'].strip() }}", "<s>你好 \"x\" <b>"),
            ("{{ messages[0].content | trim | tojson }}", r#""你好 \"x\" <b>""#),
            ("{{ {'a': [1, 2], 'b': none} | tojson }}", r#"{"a": [1, 2], "b": null}"#),
            ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
            ("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc"),
            ("x {%- generation -%} y {%- endgeneration -%} z", "xyz"),
            ("{{ 'a' in missing }}{{ missing }}|{{ tools is none }}|{{ enable_thinking }}", "False|True|False"),
            ("{{ strftime_now('%Y') | length }}", "4"),
        ] {
            assert_eq!(render(source, &user).map_err(|e| e.to_string()), Ok(expected.to_owned()), "{source}");
        }
    }

    #[test]
    fn what_a_template_refuses_is_told_in_its_words() {
        let err = render("{{ raise_exception('System role not supported') }}", &[]).unwrap_err();
        assert_eq!(err.code(), Code::Tokenizer);
        assert_eq!(err.message(), "the chat template refuses the conversation: System role not supported");
        let err = render("{% for %}", &[]).unwrap_err();
        assert!(err.message().contains("t.jinja does not compile"), "{err}");
        let endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
        assert_eq!(render(endless, &[]).unwrap_err().code(), Code::Tokenizer);
        assert_eq!(render("{{ strftime_now('%') }}", &[]).unwrap_err().code(), Code::Tokenizer);
    }

    #[test]
    fn templates_are_found_in_the_order_of_transformers() {
        let dir = tempfile::tempdir().unwrap();
        let load =
            || ChatTemplate::load(dir.path()).map(|t| t.map(|t| t.source().to_owned())).map_err(|e| e.to_string());
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        assert_eq!(load(), Ok(None));
        write(
            "tokenizer_config.json",
            r#"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#,
        );
        assert_eq!(load(), Ok(Some("d".into())));
        write("tokenizer_config.json", r#"{"chat_template":"c"}"#);
        assert_eq!(load(), Ok(Some("c".into())));
        write("chat_template.json", r#"{"chat_template":"j"}"#);
        assert_eq!(load(), Ok(Some("j".into())));
        write("chat_template.jinja", "x");
        assert_eq!(load(), Ok(Some("x".into())));
        std::fs::remove_file(dir.path().join("chat_template.jinja")).unwrap();
        write("chat_template.json", r#"{"chat_template":[{"name":"rag","template":"t"}]}"#);
        assert!(load().unwrap_err().contains("no template of the name `default`; it has rag"));
        write("chat_template.json", r#"{"chat_template":{"tool_use":"t","default":"o"}}"#);
        assert_eq!(load(), Ok(Some("o".into())));
        write("chat_template.json", "\u{feff}{\"chat_template\":{\r\n\"default\":\"a\\r\\nb\"}}");
        assert_eq!(load(), Ok(Some("a\nb".into())), "a byte-order mark and DOS line ends");
    }
}
