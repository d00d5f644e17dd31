//! What the pages say besides the schemas, in both languages.

use serde_json::{Map, Value};

pub struct Language {
    pub file: &'static str,
    pub introduction: &'static str,
    pub columns: [&'static str; 4],
    headings: [(&'static str, &'static str); 13],
    /// The words of JSON types, as the schema calls them.
    types: [(&'static str, &'static str); 7],
    pub any: &'static str,
    pub or: &'static str,
    pub comma: &'static str,
    /// Descriptions by option path; `None`: those of the schema.
    translations: Option<&'static str>,
}

impl Language {
    pub fn heading(&self, set: &str) -> Result<String, String> {
        let found = self.headings.iter().find(|(known, _)| *known == set);
        found
            .map(|(_, heading)| format!("{heading}（`{set}`）"))
            .map(|heading| self.brackets(heading))
            .ok_or_else(|| format!("the set `{set}` has no heading in tests/options_pages/language.rs"))
    }

    fn brackets(&self, heading: String) -> String {
        match self.translations {
            Some(_) => heading,
            None => heading.replace('（', " (").replace('）', ")"),
        }
    }

    pub fn word(&self, kind: &str) -> String {
        let found = self.types.iter().find(|(known, _)| *known == kind);
        found.map_or(kind, |(_, word)| word).to_owned()
    }

    pub fn descriptions(&self) -> Result<Option<Map<String, Value>>, String> {
        let read = |text| serde_json::from_str(text).map_err(|err| format!("options.zh.json is not valid JSON: {err}"));
        self.translations.map(read).transpose()
    }
}

pub const ENGLISH: Language = Language {
    file: "options.md",
    introduction: "\
# Options

<!-- Written by `cargo xtask docs` from the options' schemas; edit the fields' comments in src/, not this file. -->

[中文](options.zh.md)

Options are JSON objects, and parsed strictly: an unknown key, a key that stands twice, a value of another type or outside its
range is an error that names the option; for a name that is near a known one, or that another tool uses, it says ours. What is
left out has its default. `tailora_options_schema(\"train\")` and so on give the same as JSON Schemas. `tailora_options_from_file`
(C#: `TailoraOptions.FromFile`) reads any of these sets from a YAML or JSON file; what is wrong in it is named with its line.",
    columns: ["option", "default", "values", ""],
    headings: [
        ("model", "Loading a model"),
        ("adapter", "Loading and merging adapters"),
        ("dataset", "Opening a CSV"),
        ("train", "Training"),
        ("evaluate", "Evaluating"),
        ("session", "A session"),
        ("generate", "Generating"),
        ("score", "Scoring a text"),
        ("report", "A report"),
        ("tokenize", "Token ids"),
        ("batch", "A batch of reports"),
        ("publish", "Publishing in a registry"),
        ("docx", "Reports as Word files"),
    ],
    types: [
        ("integer", "integer"),
        ("number", "number"),
        ("string", "text"),
        ("boolean", "true, false"),
        ("array", "list"),
        ("object", "object"),
        ("null", "null"),
    ],
    any: "any JSON",
    or: "; ",
    comma: ", ",
    translations: None,
};

pub const CHINESE: Language = Language {
    file: "options.zh.md",
    introduction: "\
# 选项

<!-- 由 `cargo xtask docs` 根据选项的 schema 生成；说明文字在 tests/options_pages/options.zh.json，请勿直接修改本文件。 -->

[English](options.md)

选项是 JSON 对象，严格解析：未知的键、重复的键、类型不符或超出范围的值都是错误，并指明是哪个选项；与已知的名字相近、或是别的工具的叫法时，
会告诉您这里的名字。没有写的取默认值。`tailora_options_schema(\"train\")` 等以 JSON Schema 给出同样的内容。
`tailora_options_from_file`（C#：`TailoraOptions.FromFile`）从 YAML 或 JSON 文件读取其中任何一组，有错时指明在第几行。",
    columns: ["选项", "默认", "取值", ""],
    headings: [
        ("model", "加载模型"),
        ("adapter", "加载与合并适配器"),
        ("dataset", "打开 CSV"),
        ("train", "训练"),
        ("evaluate", "评估"),
        ("session", "会话"),
        ("generate", "生成"),
        ("score", "给文本评分"),
        ("report", "报告"),
        ("tokenize", "词元 id"),
        ("batch", "成批写报告"),
        ("publish", "发布到注册库"),
        ("docx", "写成 Word 文件"),
    ],
    types: [
        ("integer", "整数"),
        ("number", "数"),
        ("string", "文本"),
        ("boolean", "true、false"),
        ("array", "列表"),
        ("object", "对象"),
        ("null", "null"),
    ],
    any: "任意 JSON",
    or: "；",
    comma: "、",
    translations: Some(include_str!("options.zh.json")),
};
