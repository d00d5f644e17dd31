//! `summary.html` and `reliability.svg`: how a training went, for people without TensorBoard. One file without scripts or
//! links, in Chinese and English, that opens from a share.

mod curves;
mod svg;

use super::claim::METRICS;
use crate::adapter::calibration::Calibration;
use crate::error::Result;
use crate::files::write_atomic;
use curves::Curves;
use serde_json::Value;
use std::io::Write;
use std::path::Path;

const PAGE: &str = "summary.html";
const DIAGRAM: &str = "reliability.svg";

const STYLE: &str = "body{font:15px/1.6 system-ui,'Noto Sans CJK SC','Microsoft YaHei',sans-serif;max-width:56em;margin:2em auto;padding:0 1em;color:#222}\
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}\
td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}.note{background:#fff6dd;padding:.5em 1em;border-left:4px solid #e0a800}\
small,.en{color:#666}";

/// The figures of the first table: their keys in the summary, and what they are called.
const FIGURES: [(&str, &str, &str); 9] = [
    ("rows", "数据行数", "rows"),
    ("folds", "交叉验证折数", "folds"),
    ("epochs", "训练轮数", "epochs"),
    ("steps", "训练步数", "steps"),
    ("best_step", "采用的步数", "step that was kept"),
    ("base_validation_loss", "训练前的验证损失", "validation loss before"),
    ("validation_loss", "训练后的验证损失", "validation loss after"),
    ("parameters", "适配器参数量", "parameters of the adapter"),
    ("seconds", "用时（秒）", "seconds"),
];

/// Writes both files into a run directory.
///
/// # Errors
/// `Io` if one cannot be written.
pub(crate) fn write(dir: &Path, summary: &Value, calibration: Option<&Calibration>) -> Result<()> {
    if let Some(calibration) = calibration {
        let diagram = svg::reliability(&calibration.reliability);
        write_atomic(&dir.join(DIAGRAM), |file| file.write_all(diagram.as_bytes()))?;
    }
    let curves = Curves::read(&dir.join(METRICS))?;
    let page = page(summary, calibration, &curves);
    write_atomic(&dir.join(PAGE), |file| file.write_all(page.as_bytes()))
}

fn page(summary: &Value, calibration: Option<&Calibration>, curves: &Curves) -> String {
    let version = summary["version"].as_str().unwrap_or_default();
    let title = svg::escaped(&format!("{} {version}", summary["name"].as_str().unwrap_or_default()));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style></head><body>\n\
         <h1>{title}<br><small>训练小结 · Training summary</small></h1>\n"
    );
    for note in summary["notes"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        page += &format!("<p class=\"note\">{}</p>\n", svg::escaped(note));
    }
    page += &heading("训练", "Training");
    page += &figures(summary);
    page += &heading("损失曲线", "Loss");
    page += "<p>越低越好；验证损失来自没有训练过的行。<span class=\"en\">Lower is better; the validation loss is of rows that were not trained on.</span></p>\n";
    page += &svg::lines(curves.lines());
    if let Some(calibration) = calibration {
        page += &reliability(calibration);
        page += &places(summary);
    }
    page + "</body></html>\n"
}

fn heading(chinese: &str, english: &str) -> String {
    format!("<h2>{chinese} <small>{english}</small></h2>\n")
}

fn figures(summary: &Value) -> String {
    let value = |key: &str| match &summary[key] {
        Value::Array(items) => Some(items.len().to_string()),
        Value::Number(number) if number.is_f64() && key.ends_with("loss") => {
            number.as_f64().map(|number| format!("{number:.3}"))
        }
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map(|number| format!("{number:.1}").trim_end_matches(".0").to_owned())
        }
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let row = |(key, chinese, english): (&str, &str, &str)| {
        value(key).map(|value| {
            format!("<tr><td>{chinese} <span class=\"en\">{english}</span></td><td class=\"n\">{value}</td></tr>\n")
        })
    };
    format!("<table>\n{}</table>\n", FIGURES.into_iter().filter_map(row).collect::<String>())
}

/// What the confidences of reports are worth.
fn reliability(calibration: &Calibration) -> String {
    let Calibration { conclusions, right, reliability, .. } = calibration;
    let auc = reliability.auc.map_or("–".to_owned(), |auc| format!("{auc:.2}"));
    let kind = match calibration.is_enough() {
        true => "置信度以数值给出。<span class=\"en\">Reports say a calibrated number.</span>",
        false => {
            "结论不足 100 条，报告只给出高、中、低三档及其区间。<span class=\"en\">There were fewer than 100 conclusions: reports say a band with its interval.</span>"
        }
    };
    heading("置信度是否可信", "Whether confidences hold")
        + &format!(
            "<p>在未训练过的行上写出 {conclusions} 条结论，其中 {right} 条与原评语一致。{kind}<br>\
             <span class=\"en\">On rows that it had not seen, the model wrote {conclusions} conclusions, of which {right} were those of the row.</span></p>\n\
             <p>ECE {:.3} · Brier {:.3} · AUC {auc}</p>\n",
            reliability.ece, reliability.brier
        )
        + &svg::reliability(reliability)
}

/// Which conclusions were learnt and which were not, by their place in the output.
fn places(summary: &Value) -> String {
    let Some(places) = summary["calibration"]["places"].as_array().filter(|places| !places.is_empty()) else {
        return String::new();
    };
    let mut text = heading("学会了什么，没学会什么", "What was learnt and what was not");
    text += "<table>\n<tr><th>结论 <span class=\"en\">conclusion</span></th><th>开头 <span class=\"en\">begins</span></th><th>正确 <span class=\"en\">right</span></th><th></th></tr>\n";
    for place in places {
        let number = |key: &str| place[key].as_u64().unwrap_or_default();
        let (right, all) = (number("right"), number("conclusions"));
        let share = right as f64 / all.max(1) as f64;
        let verdict = match share {
            0.9.. => "已学会 <span class=\"en\">learnt</span>",
            0.6.. => "部分学会 <span class=\"en\">partly</span>",
            _ => "未学会 <span class=\"en\">not learnt</span>",
        };
        let begins = match place["begins"].as_str().unwrap_or_default() {
            "" => "各行不同 <span class=\"en\">differs from row to row</span>".to_owned(),
            begins => format!("{}…", svg::escaped(begins)),
        };
        text += &format!(
            "<tr><td class=\"n\">{}</td><td>{begins}</td><td class=\"n\">{right}/{all} ({:.0} %)</td><td>{verdict}</td></tr>\n",
            number("place") + 1,
            100.0 * share
        );
    }
    text + "</table>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::calibration::tests::calibration;
    use serde_json::json;

    #[test]
    fn a_page_stands_alone_and_holds_what_the_summary_says() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = "{\"kind\":\"train\",\"step\":1,\"loss\":2.5}\n{\"kind\":\"train\",\"step\":2,\"loss\":1.5}\n";
        std::fs::write(dir.path().join(METRICS), metrics).unwrap();
        let summary = json!({
            "name": "hr<review>", "version": "v1", "notes": ["still & falling"], "rows": 60, "folds": [{}, {}, {}],
            "validation_loss": 0.25, "seconds": 3.04, "epochs": 15.0,
            "calibration": {"places": [
                {"place": 0, "begins": "九宫格<", "conclusions": 60, "right": 58},
                {"place": 1, "begins": "", "conclusions": 60, "right": 20},
            ]},
        });
        write(dir.path(), &summary, Some(&calibration(120))).unwrap();
        let page = std::fs::read_to_string(dir.path().join(PAGE)).unwrap();
        for part in [
            "hr&lt;review&gt; v1",
            "still &amp; falling",
            ">60<",
            ">3<",
            "0.250",
            "58/60 (97 %)",
            "九宫格&lt;…",
            ">15<",
            "各行不同",
            "未学会",
            "ECE 0.020",
            "<polyline",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
        for foreign in ["<script", "http:", "https:", "src=", "href="] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{foreign}");
        }
        assert!(std::fs::read_to_string(dir.path().join(DIAGRAM)).unwrap().starts_with("<svg"));
        let bare = tempfile::tempdir().unwrap();
        write(bare.path(), &json!({}), None).unwrap();
        assert!(!bare.path().join(DIAGRAM).exists() && bare.path().join(PAGE).exists());
    }
}
