//! Runs on a Unix that is against them: full disks, permissions, SIGKILL, umasks, a second run. What was learnt comes back,
//! and the host's files stay as they are.
#![cfg(unix)]

mod child;

use serde_json::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tailora::{
    Cancel, Code, Control, Dataset, DatasetOptions, LanguageModel, ModelOptions, Monitor, Phase, Progress,
    TrainOptions, TrainOutcome,
};

const LIMIT: Duration = Duration::from_secs(120);

fn model() -> LanguageModel {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/models/qwen2");
    let options = ModelOptions { threads: 2, ..Default::default() };
    LanguageModel::load(&folder, &options, &mut Monitor::none()).unwrap()
}

fn dataset() -> Dataset {
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/training/resume.csv");
    Dataset::open_csv(&csv, &DatasetOptions::default(), &mut Monitor::none()).unwrap()
}

fn options(output_dir: Option<&Path>) -> TrainOptions {
    TrainOptions {
        output_dir: output_dir.map(Path::to_owned),
        max_steps: 12,
        eval_steps: 4,
        checkpoint_steps: if output_dir.is_some() { 2 } else { 0 },
        validation_folds: Some(0),
        memorisation_samples: 0,
        learning_rate: 3e-3,
        ..Default::default()
    }
}

/// Trains; `meddle` is called after the fourth step.
fn train(output_dir: Option<&Path>, meddle: impl Fn()) -> tailora::Result<TrainOutcome> {
    let mut watch = |event: &Progress| {
        if event.phase == Phase::Train && event.step == 4 {
            meddle();
        }
        Control::Continue
    };
    tailora::train(&model(), &dataset(), &options(output_dir), &mut Monitor::new(&Cancel::new(), Some(&mut watch)))
}

fn notes(summary: &Value) -> String {
    summary["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap().to_owned() + "\n").collect()
}

/// Every file and folder below one.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(all_below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn temporaries(folder: &Path) -> Vec<PathBuf> {
    let temporary =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".tailora-"));
    all_below(folder).into_iter().filter(temporary).collect()
}

/// From here on no file of this process may grow beyond so many bytes: writes fail as on a full disk.
fn limit_files(bytes: u64) {
    // SAFETY: plain system calls; the limit is a local.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

fn assert_whole_lines(metrics: &Path) {
    let text = std::fs::read_to_string(metrics).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line stands at the end: {text:?}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|err| panic!("{err}: {line}"));
    }
}

/// The adapter that an undisturbed training gives.
fn expected() -> String {
    train(None, || ()).unwrap().adapter.sha256().to_owned()
}

#[test]
fn a_full_disk_costs_the_files_and_not_the_adapter() {
    child::survives(
        "a_full_disk_costs_the_files_and_not_the_adapter",
        LIMIT,
        |_| (),
        || {
            let (dir, expected) = (tempfile::tempdir().unwrap(), expected());
            let run = dir.path().join("run");
            let outcome = train(Some(&run), || limit_files(2000)).unwrap();
            let summary = &outcome.summary;
            assert_eq!(outcome.adapter.sha256(), expected, "{summary}");
            assert_eq!((&summary["adapter_path"], &summary["stop_reason"]), (&Value::Null, &"completed".into()));
            let notes = notes(summary);
            for words in ["metrics.jsonl was not written", "a checkpoint was not written", "in memory only"] {
                assert!(notes.contains(words), "no {words:?} in {notes}");
            }
            assert_whole_lines(&run.join("metrics.jsonl"));
            assert_eq!(std::fs::read_dir(run.join("adapters")).unwrap().count(), 0);
            assert_eq!(temporaries(&run), [] as [PathBuf; 0]);
        },
    );
}

/// A disk that is really full, where this machine lets one be mounted.
#[test]
fn a_disk_that_fills_up_costs_the_files_and_not_the_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path()).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: a full disk: no tmpfs can be mounted here");
        return;
    }
    let fill = || {
        // Until nothing more goes in.
        let mut filler = std::fs::File::create(dir.path().join("filler")).unwrap();
        while std::io::Write::write_all(&mut filler, &[0; 512]).is_ok() {}
    };
    let result = std::panic::catch_unwind(|| {
        let outcome = train(Some(&dir.path().join("run")), fill).unwrap();
        assert_eq!(outcome.adapter.sha256(), expected());
        assert_eq!(outcome.summary["adapter_path"], Value::Null, "{}", outcome.summary);
        assert!(notes(&outcome.summary).contains("in memory only"), "{}", outcome.summary);
        assert_whole_lines(&dir.path().join("run/metrics.jsonl"));
        // With a disk that is full from the start, nothing is trained for nothing.
        let err = train(Some(&dir.path().join("other")), || ()).unwrap_err();
        assert_eq!(err.code(), Code::Io, "{err}");
    });
    assert!(Command::new("umount").arg(dir.path()).status().unwrap().success());
    result.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
}

/// Whom root becomes, since permissions do not bind it.
const NOBODY: u32 = 65534;

fn effective_user() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

fn is_root() -> bool {
    effective_user() == 0
}

#[test]
fn a_folder_that_becomes_read_only_or_goes_away_costs_no_adapter() {
    let name = "a_folder_that_becomes_read_only_or_goes_away_costs_no_adapter";
    let become_nobody = |command: &mut Command| {
        if is_root() {
            command.uid(NOBODY).gid(NOBODY).env("TMPDIR", "/tmp");
        }
    };
    let mut reachable = Command::new(std::env::current_exe().unwrap());
    reachable.arg("--list").stdout(Stdio::null()).uid(if is_root() { NOBODY } else { effective_user() });
    if !reachable_by(&mut reachable) {
        println!("SKIPPED: a read-only folder: nobody cannot run this test here, and root may write anywhere");
        return;
    }
    child::survives(name, LIMIT, become_nobody, || {
        let (dir, expected) = (tempfile::tempdir().unwrap(), expected());
        let run = dir.path().join("run");
        let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        let outcome = train(Some(&run), || {
            set(&run.join("adapters"), 0o555);
            set(&run, 0o555);
        })
        .unwrap();
        assert_eq!(outcome.adapter.sha256(), expected);
        assert_eq!(outcome.summary["adapter_path"], Value::Null);
        let notes = notes(&outcome.summary);
        assert!(notes.contains("a checkpoint was not written") && notes.contains("in memory only"), "{notes}");

        // Before training it is an error.
        let err = train(Some(&run), || ()).unwrap_err();
        assert_eq!(err.code(), Code::Io, "{err}");
        set(&run, 0o755);
        set(&run.join("adapters"), 0o755);

        // What was removed is made again for the adapter.
        let outcome = train(Some(&run), || std::fs::remove_dir_all(&run).unwrap()).unwrap();
        assert_eq!(outcome.adapter.sha256(), expected);
        assert!(Path::new(outcome.summary["adapter_path"].as_str().unwrap()).is_dir(), "{}", outcome.summary);
    });
}

fn reachable_by(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn the_umask_is_the_hosts() {
    child::survives(
        "the_umask_is_the_hosts",
        LIMIT,
        |_| (),
        || {
            for umask in [0o027, 0o077, 0o002] {
                // SAFETY: a plain system call.
                unsafe { libc::umask(umask) };
                let dir = tempfile::tempdir().unwrap();
                let run = dir.path().join("run");
                let outcome = train(Some(&run), || ()).unwrap();
                outcome.adapter.save(&dir.path().join("saved")).unwrap();
                let found = [all_below(&run), all_below(&dir.path().join("saved"))].concat();
                assert!(found.len() > 12, "{found:?}");
                for path in found {
                    let metadata = path.metadata().unwrap();
                    let widest = if metadata.is_dir() { 0o777 } else { 0o666 };
                    assert_eq!(metadata.mode() & 0o777, widest & !umask, "{} under {umask:o}", path.display());
                }
            }
        },
    );
}

const ROLE: &str = "TAILORA_TEST_RUN_INTO";

/// A process that trains into a directory and, when it has it, waits there.
fn holder(run: &Path, test: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(ROLE, run)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_second_run_waits_for_the_first_and_takes_over_from_a_dead_one() {
    if let Some(run) = std::env::var_os(ROLE) {
        let run = PathBuf::from(run);
        let _ = train(Some(&run), || {
            std::fs::write(run.join("has-it"), "").unwrap();
            std::thread::sleep(LIMIT);
        });
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let mut first = holder(&run, "a_second_run_waits_for_the_first_and_takes_over_from_a_dead_one");
    let begun = Instant::now();
    while !run.join("has-it").exists() {
        assert!(begun.elapsed() < LIMIT && first.try_wait().unwrap().is_none(), "the first run has not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    // A folder that is being filled in the other process is no leftover, but here are two.
    std::fs::write(run.join(".tailora-AbCdE0"), "half").unwrap();
    std::fs::create_dir(run.join("adapters/.tailora-AbCdE1")).unwrap();
    std::fs::write(run.join("adapters/.tailora-AbCdE1/adapter_model.safetensors"), "half").unwrap();
    let err = train(Some(&run), || ()).unwrap_err();
    assert_eq!((err.code(), &err.details()["pid"]), (Code::Busy, &first.id().into()), "{err}");
    assert!(err.message().contains(&first.id().to_string()) && err.message().contains("since 20"), "{err}");
    assert_eq!(temporaries(&run).len(), 2, "a run that was kept out touches nothing");

    first.kill().unwrap();
    first.wait().unwrap();
    let outcome = train(Some(&run), || ()).unwrap();
    assert!(outcome.summary["adapter_path"].is_string());
    let notes = notes(&outcome.summary);
    assert!(!notes.contains("lock") && !notes.contains("written"), "{notes}");
    assert_eq!(temporaries(&run), [] as [PathBuf; 0]);
}

#[test]
fn a_pipe_in_the_run_directory_holds_up_nothing() {
    child::survives(
        "a_pipe_in_the_run_directory_holds_up_nothing",
        LIMIT,
        |_| (),
        || {
            let dir = tempfile::tempdir().unwrap();
            let run = dir.path().join("run");
            train(Some(&run), || ()).unwrap();
            std::fs::remove_file(run.join("metrics.jsonl")).unwrap();
            assert!(Command::new("mkfifo").arg(run.join("metrics.jsonl")).status().unwrap().success());
            let outcome = train(Some(&run), || ()).unwrap();
            assert!(notes(&outcome.summary).contains("is not a regular file"), "{}", outcome.summary);
        },
    );
}
