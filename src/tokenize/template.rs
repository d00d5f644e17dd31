//! The chat template: a Jinja program that turns a conversation into the text the model was tuned on.
//!
//! Rendered as `transformers` renders it: `trim_blocks`, `lstrip_blocks`, `loopcontrols`, Python's string methods,
//! `raise_exception`, `strftime_now`, a `tojson` like `json.dumps(ensure_ascii=False)`, the tokenizer's special tokens
//! by name. `{% generation %}` blocks, which only mark text for loss masks, are plain blocks here.

use super::Tokenizer;
use super::config::{TokenizerConfig, read_object};
use crate::error::{Code, Error, Result};
use crate::files;
use crate::model::ModelFiles;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, ErrorKind, context};
use serde::Serialize;
use std::path::Path;

/// Far above any real template (the largest have 20 KB).
const LARGEST_TEMPLATE: u64 = 4 << 20;
/// Instructions per rendering; a conversation of hundreds of turns takes thousands.
const FUEL: u64 = 50_000_000;

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// What was said.
    pub content: String,
}

impl Message {
    /// A turn.
    pub fn new(role: &str, content: impl Into<String>) -> Self {
        Message { role: role.to_owned(), content: content.into() }
    }
}

/// A compiled chat template.
#[derive(Debug)]
pub(crate) struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    special_tokens: Vec<(String, String)>,
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

    fn compile(source: String, special_tokens: Vec<(String, String)>, path: &Path) -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment.add_template_owned("chat", without_generation_tags(&source)).map_err(|err| {
            Error::new(Code::Tokenizer, format!("the chat template in {} does not compile: {err:#}", path.display()))
                .with("path", path.display().to_string())
                .with("line", err.line())
        })?;
        Ok(ChatTemplate { environment, source, special_tokens })
    }

    /// The text of a conversation; `add_generation_prompt` ends it where the assistant is to speak.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String> {
        let special = Value::from_iter(self.special_tokens.iter().map(|(k, v)| (k.clone(), v.clone())));
        // Training teaches answers, not trains of thought, so templates that know thinking are told to leave it out.
        let variables = context! {
            messages => messages,
            tools => (),
            documents => (),
            add_generation_prompt => add_generation_prompt,
            enable_thinking => false,
            ..special
        };
        let template = self.environment.get_template("chat").map_err(|err| refused(&err))?;
        template.render(variables).map_err(|err| refused(&err))
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// A template is a string, or a list of named ones of which `default` is for conversations without tools.
fn default_template(value: serde_json::Value, path: &Path) -> Result<Option<String>> {
    use serde_json::Value::{Array, Null, String};
    let found = match value {
        Null => return Ok(None),
        String(source) => return Ok(Some(source)),
        Array(named) => {
            let source = |entry: &serde_json::Value| entry["template"].as_str().map(str::to_owned);
            let default = named.iter().find(|entry| entry["name"] == "default").and_then(source);
            if default.is_some() {
                return Ok(default);
            }
            "a list without the name `default`"
        }
        _ => "neither a string nor a list",
    };
    Err(Error::new(
        Code::Tokenizer,
        format!("`chat_template` in {} is {found}; expected a template or a list with `default`", path.display()),
    )
    .with("path", path.display().to_string()))
}

/// Makes `{% generation %}` a block that minijinja knows. Its whitespace control stays.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = tag.find("%}") else { break };
        let inner = &tag[2..end];
        let replaced = match inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+') {
            "generation" => Some("with"),
            "endgeneration" => Some("endwith"),
            _ => None,
        };
        match replaced {
            Some(word) => {
                let sign = |c: Option<char>| c.filter(|c| matches!(c, '-' | '+')).map(String::from).unwrap_or_default();
                let (open, close) = (sign(inner.chars().next()), sign(inner.chars().last()));
                out.push_str(&format!("{{%{open} {word} {close}%}}"));
                rest = &tag[end + 2..];
            }
            None => {
                out.push_str("{%");
                rest = &tag[2..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, minijinja::Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|err| minijinja::Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {err}")))
}

/// `json.dumps(value, ensure_ascii=False, indent=…)`; minijinja's own escapes for HTML and is more compact.
fn tojson(value: &Value, arguments: Kwargs) -> Result<Value, minijinja::Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    let _: Option<bool> = arguments.get("ensure_ascii")?;
    arguments.assert_all_used()?;
    let failed = |err: serde_json::Error| minijinja::Error::new(ErrorKind::BadSerialization, err.to_string());
    let mut out = Vec::new();
    match indent {
        Some(width) => {
            let indent = " ".repeat(width.min(16));
            let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, formatter)).map_err(failed)?;
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, PythonSpaces)).map_err(failed)?,
    }
    Ok(Value::from(String::from_utf8_lossy(&out).into_owned()))
}

/// `", "` and `": "` between items, as Python's `json` writes them.
struct PythonSpaces;

impl serde_json::ser::Formatter for PythonSpaces {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

fn refused(err: &minijinja::Error) -> Error {
    let message = err.detail().map(str::to_owned).unwrap_or_else(|| err.to_string());
    Error::new(Code::Tokenizer, format!("the chat template refuses the conversation: {message}"))
        .with("line", err.line())
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
            (
                "{% for m in messages * 3 %}{{ loop.index }}{% if loop.index == 2 %}{% break %}{% endif %}{% endfor %}",
                "12",
            ),
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
        assert!(load().unwrap_err().contains("a list without the name `default`"));
    }
}
