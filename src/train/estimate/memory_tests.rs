//! The budget: what is refused, what is turned on, and that the result is the same.

use crate::control::Monitor;
use crate::dataset::{Dataset, DatasetOptions};
use crate::error::{Code, Result};
use crate::train::run::tests::{csv, model};
use crate::train::{ByteSize, GradientCheckpointing, TrainOptions, TrainOutcome, train};

fn run(checkpointing: GradientCheckpointing, max_memory: Option<u64>) -> Result<TrainOutcome> {
    let dir = tempfile::tempdir().unwrap();
    let none = &mut Monitor::none();
    let dataset = Dataset::open_csv(&csv(dir.path(), 12), &DatasetOptions::default(), none).unwrap();
    let output_dir = dir.path().join("run");
    let options = TrainOptions {
        max_steps: 4,
        validation_folds: Some(0),
        memorisation_samples: 0,
        gradient_checkpointing: checkpointing,
        max_memory: max_memory.map(ByteSize::Bytes),
        output_dir: Some(output_dir.clone()),
        ..Default::default()
    };
    let outcome = train(&model(), &dataset, &options, none);
    assert_eq!(outcome.is_ok(), output_dir.exists(), "a training that is refused writes nothing");
    if outcome.is_ok() {
        let metrics = std::fs::read_to_string(output_dir.join("metrics.jsonl")).unwrap();
        assert!(metrics.contains("\"memory\":") && metrics.contains("\"memory_peak\":"), "{metrics}");
    }
    outcome
}

#[test]
fn a_limit_is_kept_to_or_refused_with_the_numbers() {
    let plain = run(GradientCheckpointing::AUTO, None).unwrap();
    assert_eq!(plain.summary["gradient_checkpointing"], false);
    let bytes = |name: &str| plain.summary["memory"][name].as_u64().unwrap();
    let (without, with) = (bytes("without_checkpointing_bytes"), bytes("with_checkpointing_bytes"));
    assert!(with < without, "{}", plain.summary["memory"]);

    assert_eq!(run(GradientCheckpointing::AUTO, Some(without)).unwrap().summary["gradient_checkpointing"], false);
    let tight = run(GradientCheckpointing::AUTO, Some(without - 1)).unwrap();
    assert_eq!(tight.summary["gradient_checkpointing"], true);
    assert_eq!(tight.adapter.sha256(), plain.adapter.sha256());
    run(GradientCheckpointing::AUTO, Some(with)).unwrap();

    for (checkpointing, limit) in
        [(GradientCheckpointing::AUTO, with - 1), (GradientCheckpointing::Fixed(false), without - 1)]
    {
        let err = run(checkpointing, Some(limit)).unwrap_err();
        assert_eq!(err.code(), Code::OutOfMemory, "{err}");
        let details = err.details();
        assert_eq!(details["estimated_bytes"], without, "{err}");
        assert_eq!(details["estimated_bytes_with_checkpointing"], with);
        assert_eq!(details["max_memory"], limit);
        assert!(err.message().contains("max_memory is"), "{err}");
    }
}
