//! Files that are no files, and files that change while a model is loaded: an error each, never a call that hangs, a signal,
//! or the hash of other weights.
#![cfg(unix)]

mod child;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tailora::{
    AdapterOptions, Cancel, Code, Control, Dataset, DatasetOptions, Error, GenerateOptions, LanguageModel,
    ModelOptions, Monitor, ReportOptions, Session, SessionOptions, TrainOptions,
};

const LIMIT: Duration = Duration::from_secs(60);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    dir
}

fn load(path: &Path) -> Result<LanguageModel, Error> {
    LanguageModel::load(path, &ModelOptions { threads: 2, ..Default::default() }, &mut Monitor::none())
}

fn tiny() -> PathBuf {
    root().join("samples/models/tailora-tiny")
}

/// Puts a pipe that nobody writes to, then a device without an end, in the place of a file.
fn instead_of(path: &Path, check: impl Fn(&str)) {
    let _ = std::fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    check("a pipe");
    std::fs::remove_file(path).unwrap();
    std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    check("/dev/zero");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn only_regular_files_are_read() {
    child::survives(
        "only_regular_files_are_read",
        LIMIT,
        |_| (),
        || {
            for file in [
                "config.json",
                "generation_config.json",
                "tokenizer.json",
                "tokenizer_config.json",
                "model.safetensors",
            ] {
                let dir = copy_of(&tiny());
                instead_of(&dir.path().join(file), |what| {
                    let err = load(dir.path()).unwrap_err();
                    assert!(err.message().contains(file), "{file}, {what}: {err}");
                });
            }
            let dir = copy_of(&tiny());
            std::fs::rename(dir.path().join("model.safetensors"), dir.path().join("part.safetensors")).unwrap();
            instead_of(&dir.path().join("model.safetensors.index.json"), |_| drop(load(dir.path()).unwrap_err()));
            instead_of(&dir.path().join("only.gguf"), |_| drop(load(&dir.path().join("only.gguf")).unwrap_err()));
            instead_of(&dir.path().join("rows.csv"), |_| {
                let opened =
                    Dataset::open_csv(&dir.path().join("rows.csv"), &DatasetOptions::default(), &mut Monitor::none());
                assert_eq!(opened.unwrap_err().code(), Code::Io);
            });
            let model = load(&root().join("tests/fixtures/models/qwen2")).unwrap();
            for file in ["adapter_config.json", "adapter_model.safetensors", "tailora.json"] {
                let dir = copy_of(&root().join("tests/fixtures/training/qwen2/adapter"));
                instead_of(&dir.path().join(file), |what| {
                    let err = model.load_adapter(dir.path(), &AdapterOptions::default()).unwrap_err();
                    assert!(err.message().contains(file), "{file}, {what}: {err}");
                });
            }
        },
    );
}

fn report(model: &LanguageModel) -> Result<String, Error> {
    let mut session = Session::new(model, &SessionOptions::default())?;
    let options = ReportOptions { influence: false, ..Default::default() };
    let report = tailora::report(&mut session, "岗位:P7高级架构师,潜力:高", &options, &Cancel::new())?;
    Ok(report["model"]["sha256"].as_str().unwrap().to_owned())
}

fn generates(model: &LanguageModel) {
    let mut session = Session::new(model, &SessionOptions::default()).unwrap();
    let options = GenerateOptions { max_tokens: 8, ..Default::default() };
    session.generate("潜力:高", &options, &Cancel::new(), &mut |_| Control::Continue).unwrap();
}

fn refused_as_changed<T>(result: Result<T, Error>) {
    let err = result.err().unwrap();
    assert!(err.code() == Code::Io && err.message().contains("has changed since it was opened"), "{err}");
}

#[test]
fn a_model_that_is_cut_off_after_it_was_loaded() {
    child::survives(
        "a_model_that_is_cut_off_after_it_was_loaded",
        LIMIT,
        |_| (),
        || {
            let dir = copy_of(&tiny());
            let model = load(dir.path()).unwrap();
            std::fs::File::options()
                .write(true)
                .open(dir.path().join("model.safetensors"))
                .unwrap()
                .set_len(100)
                .unwrap();
            refused_as_changed(report(&model));
            let csv = root().join("samples/data/talent_review.csv");
            let dataset = Dataset::open_csv(&csv, &DatasetOptions::default(), &mut Monitor::none()).unwrap();
            refused_as_changed(tailora::train(&model, &dataset, &TrainOptions::default(), &mut Monitor::none()));
            generates(&model);
        },
    );
}

#[test]
fn a_model_that_is_written_over_after_it_was_loaded() {
    child::survives(
        "a_model_that_is_written_over_after_it_was_loaded",
        LIMIT,
        |_| (),
        || {
            let dir = copy_of(&tiny());
            let path = dir.path().join("model.safetensors");
            let mut other = std::fs::read(&path).unwrap();
            let end = other.len() - 2;
            other[end] ^= 1;
            let model = load(dir.path()).unwrap();
            let write_over = |content: &[u8]| {
                std::fs::File::options().write(true).open(&path).unwrap().write_all(content).unwrap();
            };
            write_over(&other);
            refused_as_changed(report(&model));
            generates(&model);
            // Known before, and still that of the weights in memory.
            let hashed = load(dir.path()).unwrap();
            let hash = report(&hashed).unwrap();
            other[end] ^= 1;
            write_over(&other);
            assert_eq!(report(&hashed).unwrap(), hash);
            assert_ne!(report(&load(dir.path()).unwrap()).unwrap(), hash);
        },
    );
}

#[test]
fn a_model_that_is_replaced_keeps_its_own_hash() {
    let dir = copy_of(&tiny());
    let path = dir.path().join("model.safetensors");
    let expected = report(&load(dir.path()).unwrap()).unwrap();
    let model = load(dir.path()).unwrap();
    let mut other = std::fs::read(&path).unwrap();
    let end = other.len() - 2;
    other[end] ^= 1;
    std::fs::write(dir.path().join("new"), other).unwrap();
    std::fs::rename(dir.path().join("new"), &path).unwrap();
    assert_eq!(report(&model).unwrap(), expected);
}
