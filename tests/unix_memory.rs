//! Jobs under a limit of the process's memory: each works, or fails with `OutOfMemory`. None ends the process, which is why
//! they run in child processes.
#![cfg(target_os = "linux")]

mod child;

use std::path::{Path, PathBuf};
use std::time::Duration;
use tailora::{
    Adapter, Cancel, Code, Control, Dataset, DatasetOptions, Error, EvaluateOptions, GenerateOptions, LanguageModel,
    ModelOptions, Monitor, ReportOptions, Session, SessionOptions, TrainOptions,
};

const MIB: u64 = 1 << 20;
/// Memory beyond what the process has when the job begins: from next to nothing to enough.
const STEPS: [u64; 12] = [1, 4, 12, 24, 32, 48, 64, 96, 160, 224, 320, 1024];
const EXTRA: &str = "TAILORA_TEST_EXTRA";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model() -> Result<LanguageModel, Error> {
    let options = ModelOptions { threads: 2, ..Default::default() };
    LanguageModel::load(&root().join("samples/models/tailora-tiny"), &options, &mut Monitor::none())
}

fn dataset() -> Result<Dataset, Error> {
    let path: PathBuf = root().join("samples/data/talent_review.csv");
    Dataset::open_csv(&path, &DatasetOptions::default(), &mut Monitor::none())
}

/// From here on the process may have so many bytes more.
fn limit_memory(extra: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kilobytes: u64 = size.trim().strip_suffix("kB").unwrap().trim().parse().unwrap();
    let most = (kilobytes << 10) + extra;
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the structure is whole, and lives through the call.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// Runs `job` on what `prepare` makes, with one limit after the other; it must work with the last.
fn survives_every_limit<T>(name: &str, prepare: impl Fn() -> T, job: impl Fn(T) -> Result<(), Error>) {
    for step in STEPS {
        let body = || {
            let prepared = prepare();
            let extra: u64 = std::env::var(EXTRA).unwrap().parse().unwrap();
            limit_memory(extra * MIB);
            match job(prepared) {
                Ok(()) => println!("done with {extra} MiB"),
                Err(err) => {
                    println!("with {extra} MiB: {err}");
                    assert_eq!(err.code(), Code::OutOfMemory, "{err}");
                    assert_ne!(extra, STEPS[STEPS.len() - 1], "{err}");
                }
            }
        };
        let prepare = |command: &mut std::process::Command| {
            command.env(EXTRA, step.to_string());
        };
        // In the child itself, that was all.
        let Some(ended) = child::run(name, Duration::from_secs(120), prepare, body) else { return };
        assert!(ended.success, "with {step} MiB the child of {name} ended with {}\n{}", ended.status, ended.output);
    }
}

#[test]
fn loading_a_model() {
    survives_every_limit("loading_a_model", || (), |()| model().map(drop));
}

/// On threads of the library's own, which begin without memory of their own.
#[test]
fn loading_a_model_through_the_c_abi() {
    use tailora::capi::{tailora_error_message, tailora_model_load};
    let path = root().join("samples/models/tailora-tiny");
    let path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    survives_every_limit(
        "loading_a_model_through_the_c_abi",
        || (),
        |()| {
            let (mut loaded, mut err, null) = (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
            let options = c"{\"threads\": 2}".as_ptr();
            // SAFETY: literals, locals, and no callback.
            unsafe {
                match tailora_model_load(path.as_ptr(), options, None, null, null.cast(), &mut loaded, &mut err) {
                    0 => Ok(()),
                    -71 => Err(Error::new(Code::OutOfMemory, "no memory")),
                    code => panic!("{code}: {:?}", std::ffi::CStr::from_ptr(tailora_error_message(err))),
                }
            }
        },
    );
}

#[test]
fn opening_a_dataset() {
    survives_every_limit("opening_a_dataset", || (), |()| dataset().map(drop));
}

#[test]
fn generating() {
    let job = |model: LanguageModel| {
        let mut session = Session::new(&model, &SessionOptions::default())?;
        let prompt = "岗位:P7高级架构师,绩效:A/A-,潜力:高。".repeat(12);
        let options = GenerateOptions { max_tokens: 16, ..Default::default() };
        session.generate(&prompt, &options, &Cancel::new(), &mut |_| Control::Continue).map(drop)
    };
    survives_every_limit("generating", || model().unwrap(), job);
}

#[test]
fn reporting() {
    let job = |model: LanguageModel| {
        let mut session = Session::new(&model, &SessionOptions::default())?;
        let options = ReportOptions::default();
        tailora::report(&mut session, "岗位:P7高级架构师,绩效:A/A-,潜力:高", &options, &Cancel::new()).map(drop)
    };
    survives_every_limit("reporting", || model().unwrap(), job);
}

#[test]
fn training() {
    let job = |(model, dataset): (LanguageModel, Dataset)| {
        let options = TrainOptions { max_steps: 2, memorisation_samples: 0, ..Default::default() };
        tailora::train(&model, &dataset, &options, &mut Monitor::none()).map(drop)
    };
    survives_every_limit("training", || (model().unwrap(), dataset().unwrap()), job);
}

#[test]
fn evaluating() {
    let job = |(model, dataset): (LanguageModel, Dataset)| {
        let none: [(&Adapter, f64); 0] = [];
        let options = EvaluateOptions { memorisation_samples: 0, ..Default::default() };
        tailora::evaluate(&model, &none, &dataset, None, &options, &mut Monitor::none()).map(drop)
    };
    survives_every_limit("evaluating", || (model().unwrap(), dataset().unwrap()), job);
}

/// What a file or an option claims is not believed.
#[test]
fn a_context_that_no_machine_holds() {
    child::survives(
        "a_context_that_no_machine_holds",
        Duration::from_secs(60),
        |_| (),
        || {
            let dir = tempfile::tempdir().unwrap();
            for entry in std::fs::read_dir(root().join("samples/models/tailora-tiny")).unwrap() {
                let path = entry.unwrap().path();
                std::fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
            }
            let config = dir.path().join("config.json");
            let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
            value["max_position_embeddings"] = (1u64 << 30).into();
            std::fs::write(&config, value.to_string()).unwrap();
            let model = LanguageModel::load(dir.path(), &ModelOptions::default(), &mut Monitor::none()).unwrap();
            let mut session = Session::new(&model, &SessionOptions::default()).unwrap();
            let options = GenerateOptions { max_tokens: 1_000_000_000, ..Default::default() };
            let err = session.generate("潜力:高", &options, &Cancel::new(), &mut |_| Control::Continue).unwrap_err();
            assert_eq!(err.code(), Code::OutOfMemory, "{err}");
        },
    );
}
