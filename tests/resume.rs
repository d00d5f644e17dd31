//! A training process is killed with SIGKILL at random moments and resumed: it ends in the bits of an unbroken run, whether
//! rows are held out for good or in folds.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tailora::{Dataset, DatasetOptions, LanguageModel, ModelOptions, Monitor, TrainOptions};

const ROLE: &str = "TAILORA_TEST_TRAIN_INTO";
const FOLDS: &str = "TAILORA_TEST_FOLDS";

/// What the child process does: train, resuming, and leave the adapter's hash in a file.
fn child(run: &Path, folds: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut monitor = Monitor::none();
    let options = ModelOptions { threads: 2, ..Default::default() };
    let model = LanguageModel::load(&root.join("tests/fixtures/models/qwen2"), &options, &mut monitor).unwrap();
    let csv = root.join("tests/fixtures/training/resume.csv");
    let dataset = Dataset::open_csv(&csv, &DatasetOptions::default(), &mut monitor).unwrap();
    let options = TrainOptions {
        output_dir: Some(run.to_owned()),
        num_train_epochs: if folds == 0 { 40.0 } else { 16.0 },
        validation_folds: Some(folds),
        early_stopping_patience: 0,
        checkpoint_steps: 2,
        resume_from_checkpoint: true,
        learning_rate: 3e-3,
        lora_dropout: 0.1,
        ..Default::default()
    };
    let outcome = tailora::train(&model, &dataset, &options, &mut monitor).unwrap();
    std::fs::write(run.join("hash"), outcome.adapter.sha256()).unwrap();
}

fn spawn(run: &Path, folds: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["killed_at_random_moments_a_run_ends_in_the_same_bits", "--exact", "--nocapture"])
        .env(ROLE, run)
        .env(FOLDS, folds.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn hash(run: &Path) -> Option<String> {
    std::fs::read_to_string(run.join("hash")).ok()
}

#[test]
fn killed_at_random_moments_a_run_ends_in_the_same_bits() {
    if let Some(run) = std::env::var_os(ROLE) {
        return child(&PathBuf::from(run), std::env::var(FOLDS).unwrap().parse().unwrap());
    }
    // A linear congruential generator: the moments differ from run to run of the suite only by the machine's speed.
    let mut random = 12345u64;
    for (folds, kills) in [(0, 30), (2, 20)] {
        kill_and_resume(folds, kills, &mut random);
    }
}

fn kill_and_resume(folds: usize, kills: u32, random: &mut u64) {
    let dir = tempfile::tempdir().unwrap();
    let unbroken = dir.path().join("unbroken");
    let begun = Instant::now();
    assert!(spawn(&unbroken, folds).wait().unwrap().success());
    let whole = begun.elapsed();
    let expected = hash(&unbroken).unwrap();

    let (mut killed, mut runs) = (0u32, 0u32);
    while killed < kills {
        let run = dir.path().join(format!("run{runs}"));
        runs += 1;
        loop {
            *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let moment = whole.mul_f64(0.05 + 0.45 * (*random >> 40) as f64 / (1u64 << 24) as f64);
            let mut process = spawn(&run, folds);
            let ended = wait_at_most(&mut process, if killed < kills { moment } else { Duration::from_secs(300) });
            if ended {
                break;
            }
            process.kill().unwrap();
            process.wait().unwrap();
            killed += 1;
        }
        assert_eq!(hash(&run).as_ref(), Some(&expected), "{folds} folds, run {runs} after {killed} kills");
        for folder in [run.clone(), run.join("adapters")] {
            let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with(".tailora-")).collect();
            assert!(left.is_empty(), "killed runs left {left:?}");
        }
    }
    println!("{folds} folds: {killed} kills over {runs} runs, each of which ended in {expected}");
}

/// Whether the process ended by itself, successfully, within the time.
fn wait_at_most(process: &mut Child, time: Duration) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < time {
        if let Some(status) = process.try_wait().unwrap() {
            assert!(status.success(), "the run failed: {status}");
            return true;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    false
}
