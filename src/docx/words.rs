//! The words that a file has besides the report's own, and what a comment says of a conclusion.

use super::case::{Conclusion, Source};
use super::options::Language;

/// The fixed words of one language.
pub(super) struct Words {
    pub(super) field: &'static str,
    pub(super) value: &'static str,
    /// Stands under the draft.
    pub(super) note: &'static str,
    colon: &'static str,
    confidence: &'static str,
    calibrated: &'static str,
    uncalibrated: &'static str,
    rule: &'static str,
    interval: &'static str,
    bands: [(&'static str, &'static str); 3],
    kind: &'static str,
    kinds: [(&'static str, &'static str); 4],
    source: &'static str,
    influence: &'static str,
    ungrounded: &'static str,
    unsupported: &'static str,
}

pub(super) fn words(language: Language) -> &'static Words {
    match language {
        Language::Zh => &ZH,
        Language::En => &EN,
    }
}

static ZH: Words = Words {
    field: "字段",
    value: "内容",
    note: "以上内容由 AI 起草，请逐条接受、修改或拒绝。",
    colon: "：",
    confidence: "置信度",
    calibrated: "已校准",
    uncalibrated: "未校准",
    rule: "由用词规范写入",
    interval: "区间",
    bands: [("low", "低"), ("medium", "中"), ("high", "高")],
    kind: "类别",
    kinds: [("strength", "优势"), ("risk", "风险"), ("recommendation", "建议"), ("observation", "观察")],
    source: "依据",
    influence: "影响",
    ungrounded: "没有依据：输入中没有任何字段支持这一结论。",
    unsupported: "输入中没有的数字",
};

static EN: Words = Words {
    field: "Field",
    value: "Value",
    note: "Drafted by AI. Please accept, edit or reject each conclusion.",
    colon: ": ",
    confidence: "Confidence",
    calibrated: "calibrated",
    uncalibrated: "not calibrated",
    rule: "written by a house rule",
    interval: "interval",
    bands: [("low", "low"), ("medium", "medium"), ("high", "high")],
    kind: "Kind",
    kinds: [
        ("strength", "strength"),
        ("risk", "risk"),
        ("recommendation", "recommendation"),
        ("observation", "observation"),
    ],
    source: "Source",
    influence: "influence",
    ungrounded: "Not grounded: no field of the input supports this conclusion.",
    unsupported: "Numbers that the input does not have",
};

impl Words {
    /// The lines of a conclusion's comment.
    pub(super) fn comment(&self, conclusion: &Conclusion) -> Vec<String> {
        let mut lines = vec![self.confidence_of(conclusion)];
        lines.push(format!("{}{}{}", self.kind, self.colon, named(&self.kinds, &conclusion.kind)));
        lines.extend(conclusion.sources.iter().map(|source| self.source_of(source)));
        if conclusion.grounded == Some(false) {
            lines.push(self.ungrounded.to_owned());
        }
        if !conclusion.unsupported.is_empty() {
            let numbers = conclusion
                .unsupported
                .iter()
                .map(|number| number.as_str().map_or_else(|| number.to_string(), str::to_owned));
            lines.push(format!("{}{}{}", self.unsupported, self.colon, numbers.collect::<Vec<_>>().join(", ")));
        }
        lines
    }

    fn confidence_of(&self, conclusion: &Conclusion) -> String {
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        let level = match &conclusion.band {
            Some(band) => named(&self.bands, &band.name).to_owned(),
            None => percent(conclusion.confidence),
        };
        let mut notes = Vec::new();
        match conclusion.confidence_kind.as_str() {
            "calibrated" => notes.push(self.calibrated.to_owned()),
            "uncalibrated" => notes.push(self.uncalibrated.to_owned()),
            "rule" => notes.push(self.rule.to_owned()),
            _ => {}
        }
        if let Some([from, to]) = conclusion.band.as_ref().map(|band| band.interval) {
            notes.push(format!("{} {}–{}", self.interval, percent(from), percent(to)));
        }
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        format!("{}{}{level}{notes}", self.confidence, self.colon)
    }

    fn source_of(&self, source: &Source) -> String {
        let name = source.field.as_ref().or(source.passage.as_ref());
        let name = name.map_or_else(String::new, |name| format!("{name}: "));
        let said = source.value.as_ref().or(source.text.as_ref()).map_or("", String::as_str);
        let influence = source.influence.map_or_else(String::new, |by| format!(" ({} {by:.2})", self.influence));
        format!("{}{}{name}{said}{influence}", self.source, self.colon)
    }
}

/// The word for a name of the envelope; a name that a host made stands for itself.
fn named<'a>(words: &[(&'a str, &'a str)], name: &'a str) -> &'a str {
    words.iter().find(|(known, _)| *known == name).map_or(name, |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn comment(language: Language, changes: Value) -> Vec<String> {
        let mut conclusion = json!({
            "kind": "strength", "text": "技术能力强", "confidence": 0.916, "confidence_kind": "calibrated",
            "sources": [{"field": "技术深度", "value": "9/10", "influence": 0.614}],
        });
        conclusion.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        words(language).comment(&from_value(conclusion).unwrap())
    }

    #[test]
    fn a_comment_says_how_sure_and_why() {
        assert_eq!(
            comment(Language::Zh, json!({})),
            ["置信度：92% (已校准)", "类别：优势", "依据：技术深度: 9/10 (影响 0.61)"]
        );
        let band = json!({
            "kind": "culture", "confidence_kind": "band", "band": { "name": "high", "interval": [0.7, 0.95] }, "grounded": false,
            "sources": [{"field": "A", "value": "b", "influence": null}, {"passage": "§ 1", "start": 0, "end": 2, "text": "So.", "influence": 0.5}],
            "unsupported": ["30%", 4],
        });
        assert_eq!(
            comment(Language::En, band),
            [
                "Confidence: high (interval 70%–95%)",
                "Kind: culture",
                "Source: A: b",
                "Source: § 1: So. (influence 0.50)",
                "Not grounded: no field of the input supports this conclusion.",
                "Numbers that the input does not have: 30%, 4",
            ]
        );
        assert_eq!(
            comment(Language::En, json!({"confidence_kind": "uncalibrated"}))[0],
            "Confidence: 92% (not calibrated)"
        );
        let by_rule = json!({"confidence": 1.0, "confidence_kind": "rule", "grounded": null});
        assert_eq!(comment(Language::Zh, by_rule)[0], "置信度：100% (由用词规范写入)");
    }
}
