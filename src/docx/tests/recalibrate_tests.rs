//! What reviewers left of an adapter's conclusions, as its confidences.

use super::*;
use crate::adapter::calibration::tests::calibration;
use crate::adapter::{Adapter, AdapterBase, AdapterManifest, LoraConfig};
use crate::model::{APART, Sites};
use crate::tensor::Device;

fn adapter() -> Adapter {
    let base = AdapterBase {
        sha256: Some("ab12".into()),
        ..AdapterBase::new(Sites { table: &APART, num_layers: 1 }, &Device::host(), |_| (8, 8)).named("base")
    };
    let adapter = Adapter::new_for_training(&LoraConfig { r: 3, ..Default::default() }, base, 1).unwrap();
    let manifest = AdapterManifest { rows: Some(60), calibration: Some(calibration(120)), ..Default::default() };
    adapter.with_manifest("hr_review", manifest)
}

/// A report of that adapter, or of something else.
fn written(id: &str, by: &Adapter, change: impl Fn(&mut Value)) -> Case {
    let mut case = case(id, &SENTENCES.concat(), &SENTENCES);
    case.report["adapters"] = json!([{"name": by.name(), "version": by.version(), "scale": 1.0}]);
    case.report["model"] = json!({"name": "base", "sha256": "ab12"});
    change(&mut case.report);
    case
}

fn file(cases: &[Case], accept: Option<bool>) -> Review {
    let bytes = write(cases, &DocxOptions::default()).unwrap();
    read(&changed(&bytes, |document| accept.into_iter().for_each(|accept| decide_all(document, accept)))).unwrap()
}

#[test]
fn reviews_make_a_version_with_other_confidences() {
    let adapter = adapter();
    let ours: Vec<Case> = (0..12).map(|at| written(&format!("E{at}"), &adapter, |_| ())).collect();
    let others = [
        written("F1", &adapter, |report| report["adapters"][0]["scale"] = json!(0.5)),
        written("F2", &adapter, |report| report["adapters"][0]["version"] = json!("another")),
        written("F3", &adapter, |report| report["document"] = json!({})),
        case("F4", "甲。", &["甲。"]),
    ];
    let reviews = [file(&ours, Some(false)), file(&others, Some(true)), file(&ours[..2], None)];
    let (stricter, summary) = recalibrate(&adapter, &reviews).unwrap();
    assert_eq!((summary.cases, summary.conclusions, summary.kept), (12, 36, 0));
    assert_eq!((summary.undecided, summary.of_others), (2, 4));
    assert!(summary.after["brier"].as_f64().unwrap() < summary.before["brier"].as_f64().unwrap(), "{summary:?}");
    assert_eq!((stricter.version(), stricter.name()), (&*summary.version, "hr_review"));
    assert!(summary.version.contains("-n60-r3-c156-") && summary.version.ends_with(&adapter.sha256()[..4]));
    assert_eq!(stricter.sha256(), adapter.sha256());
    let [old, new] = [&adapter, &stricter].map(|adapter| adapter.manifest().calibration.clone().unwrap());
    assert_eq!((new.conclusions, new.right), (156, 60));
    assert!(new.intercept < old.intercept);
    // Its own reports are those of the new version.
    let err = recalibrate(&stricter, &reviews).unwrap_err();
    assert_eq!((err.code(), &err.details()["of_others"]), (Code::InvalidArgument, &json!(18)), "{err}");
    assert_eq!(recalibrate(&adapter, &[]).unwrap_err().code(), Code::InvalidArgument);
}
