//! What a trained adapter brings to reports: calibrated confidences, the order of its fields, and protected fields that matter
//! all the same.

use super::tests::{CASE, write};
use crate::adapter::calibration::tests::calibration;
use crate::adapter::learnt::{LearntField, LearntRows};
use crate::adapter::{Adapter, AdapterManifest, LoraConfig};
use crate::generate::test_support::{session, tiny_model};
use crate::language_model::LanguageModel;
use serde_json::{Value, json};

/// An adapter that changes nothing.
fn plain(model: &LanguageModel) -> Adapter {
    Adapter::new_for_training(&LoraConfig::default(), model.adapter_base().unwrap(), 1).unwrap()
}

/// An adapter that knows its rows, and how often its conclusions are right.
fn calibrated(model: &LanguageModel, conclusions: usize) -> Adapter {
    let field = |name: &str, values: &[&str]| LearntField {
        name: name.to_owned(),
        values: values.iter().map(|&value| value.to_owned()).collect(),
    };
    let fields =
        vec![field("岗位", &["P5后端工程师", "M2测试经理"]), field("潜力", &["高", "中", "低"]), field("绩效", &[])];
    let manifest = AdapterManifest {
        calibration: Some(calibration(conclusions)),
        learnt: LearntRows { fields, numbers: Vec::new() },
        ..Default::default()
    };
    plain(model).with_manifest("calibrated", manifest)
}

#[test]
fn a_calibrated_adapter_alone_as_it_was_trained_gives_calibrated_confidences() {
    let model = tiny_model();
    let asked = json!({ "influence": false, "generate": { "max_tokens": 60 } });
    let kinds = |stack: &[(Adapter, f64)], asked: &Value| {
        let mut session = session(&model);
        stack.iter().for_each(|(adapter, scale)| session.attach(adapter, *scale).unwrap());
        let report = write(&mut session, CASE, asked.clone());
        let kind = report["conclusions"][0]["confidence_kind"].as_str().unwrap().to_owned();
        (kind, report)
    };
    let (many, few) = (calibrated(&model, 120), calibrated(&model, 99));
    assert_eq!(kinds(&[(many.clone(), 1.0)], &asked).0, "calibrated");
    assert_eq!(kinds(&[(many.clone(), 0.5)], &asked).0, "uncalibrated");
    assert_eq!(kinds(&[(many.clone(), 1.0), (plain(&model), 1.0)], &asked).0, "uncalibrated");
    let schema = json!({ "influence": false, "mode": "schema", "generate": { "max_tokens": 300 } });
    assert_eq!(kinds(&[(many.clone(), 1.0)], &schema).0, "uncalibrated");
    let merged = Adapter::merge("merged", &[(many.clone(), 1.0)]).unwrap();
    assert_eq!(kinds(&[(merged, 1.0)], &asked).0, "calibrated");
    let scaled = Adapter::merge("merged", &[(many, 0.9)]).unwrap();
    assert_eq!(kinds(&[(scaled, 1.0)], &asked).0, "uncalibrated");
    let (kind, report) = kinds(&[(few, 1.0)], &asked);
    assert_eq!(kind, "band");
    for conclusion in report["conclusions"].as_array().unwrap() {
        let interval = conclusion["band"]["interval"].as_array().unwrap();
        let [low, high] = [0, 1].map(|at: usize| interval[at].as_f64().unwrap());
        assert!((low..=high).contains(&conclusion["confidence"].as_f64().unwrap()), "{conclusion}");
    }
}

#[test]
fn fields_are_read_in_the_order_of_the_training_rows() {
    let model = tiny_model();
    let mut session = session(&model);
    session.attach(&calibrated(&model, 120), 1.0).unwrap();
    let asked = json!({ "generate": { "max_tokens": 60 } });
    let mut write = |input: &str| write(&mut session, input, asked.clone());
    let report = write("岗位:P7高级架构师,绩效:A/A-,潜力:高");
    assert_eq!(report, write("潜力:高,岗位:P7高级架构师,绩效:A/A-"));
    assert_eq!(report, write("绩效:A/A-,潜力:高,岗位:P7高级架构师"));
}

#[test]
fn a_protected_field_that_moves_a_conclusion_is_told() {
    let model = tiny_model();
    let mut session = session(&model);
    let case = "姓名:王小明,潜力:9/10,性别:男";
    let asked = |protected: &[&str]| json!({ "protected": protected, "generate": { "max_tokens": 80 } });
    assert_eq!(write(&mut session, case, asked(&[])).get("bias"), None);
    let report = write(&mut session, case, asked(&["姓名", "潜力", "性别"]));
    let conclusions = report["conclusions"].as_array().unwrap();
    for entry in report["bias"].as_array().unwrap() {
        let conclusion = &conclusions[entry["conclusion"].as_u64().unwrap() as usize];
        let sources = conclusion["sources"].as_array().unwrap();
        assert!(
            sources.iter().any(|source| source["field"] == entry["field"] && source["influence"] == entry["influence"])
        );
        assert_eq!(entry["noise"], conclusion["noise"]);
    }
    // The base repeats what it is given, and says of a score what it is worth.
    assert!(report["bias"].as_array().unwrap().iter().any(|entry| entry["field"] == "潜力"), "{report}");
}
