//! Processes that publish and promote in one registry at once, and are killed while they do: no version is lost, no alias is
//! torn, no line of the audit is half there.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tailora::options::from_value;
use tailora::{
    Adapter, AliasAction, AuditEntry, Code, Dataset, LanguageModel, Monitor, PublishOptions, Registry, TrainOptions,
    train,
};

const FOLDER: &str = "TAILORA_TEST_REGISTRY_IN";
const WORKER: &str = "TAILORA_TEST_WORKER";
const ALIAS: &str = "production";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn model(name: &str) -> LanguageModel {
    let path = root().join("tests/fixtures/models").join(name);
    LanguageModel::load(&path, &from_value(json!({"threads": 1})).unwrap(), &mut Monitor::none()).unwrap()
}

/// A model of the same shapes with another weight.
fn other_base(dir: &Path) -> LanguageModel {
    let (from, to) = (root().join("tests/fixtures/models/qwen2"), dir.join("other_base"));
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(&from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    let path = to.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    LanguageModel::load(&to, &from_value(json!({"threads": 1})).unwrap(), &mut Monitor::none()).unwrap()
}

/// An adapter that learnt next to nothing; seconds in a debug build.
fn trained(model: &LanguageModel, dataset: Value, csv: &Path) -> Adapter {
    let dataset = Dataset::open_csv(csv, &from_value(dataset).unwrap(), &mut Monitor::none()).unwrap();
    let options = json!({
        "name": "hr_review", "r": 1, "target_modules": ["q_proj"], "max_steps": 1, "warmup_ratio": 0, "learning_rate": 0.01,
        "validation_share": 0, "memorisation_samples": 0,
    });
    let options: TrainOptions = from_value(options).unwrap();
    train(model, &dataset, &options, &mut Monitor::none()).unwrap().adapter
}

#[test]
fn a_retrained_adapter_is_published_without_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("rows.csv");
    std::fs::write(&csv, "id,input,output\nE1,a:b,c\nE2,d:e,f\nE3,g:h,i\n").unwrap();
    let (base, registry) = (model("qwen2"), Registry::create(&dir.path().join("registry")).unwrap());
    let publish = |dataset| registry.publish(&trained(&base, dataset, &csv), &PublishOptions::default()).unwrap();
    let all = publish(json!({"id_column": "id"}));
    let without = publish(json!({"id_column": "id", "exclude_ids": ["E2"]}));
    assert_eq!((all.rows, without.rows), (Some(3), Some(2)));
    let holds = |version: &str| ["E1", "E2", "E3"].map(|id| registry.contains(version, id).unwrap());
    assert_eq!((holds(&all.version), holds(&without.version)), ([true; 3], [true, false, true]));
    let unknown = publish(json!({"max_rows": 2}));
    assert_eq!(registry.contains(&unknown.version, "E1").unwrap_err().code(), Code::InvalidArgument);

    // A folder in PEFT's format, and another base.
    let folder = dir.path().join("adapter");
    registry.load(&base, &without.version).unwrap().save(&folder).unwrap();
    let again = registry.publish_folder(&base, &folder, &PublishOptions::default()).unwrap();
    assert_eq!(again, without, "the same adapter is the same version");
    registry.promote(ALIAS, &all.version).unwrap();
    let err = registry.load(&other_base(dir.path()), ALIAS).unwrap_err();
    assert_eq!(err.code(), Code::AdapterMismatch, "{err}");
    for sha256 in [err.details()["adapter_base_sha256"].as_str(), err.details()["loaded_base_sha256"].as_str()] {
        assert!(err.message().contains(sha256.unwrap()), "{err}");
    }
    assert!(err.message().contains(base.name()) && err.message().contains("other_base"), "{err}");
    // What was changed after it was published.
    let path = registry.version_path(&all.version).unwrap().join("adapter_model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let err = registry.load(&base, ALIAS).unwrap_err();
    assert!(err.code() == Code::AdapterFormat && err.message().contains("never change"), "{err}");
}

/// What a process does that is to be killed: it publishes, promotes, rolls back and audits, and writes down what it was told
/// is done.
fn work(folder: &Path, worker: &str) {
    let base = model("qwen2");
    let registry = Registry::open(&folder.join("registry")).unwrap();
    let adapter = base.load_adapter(&folder.join("adapter"), &Default::default()).unwrap();
    let mut log =
        std::fs::File::options().create(true).append(true).open(folder.join(format!("done-{worker}"))).unwrap();
    let mut done = |line: Value| log.write_all(format!("{line}\n").as_bytes()).unwrap();
    for round in 1u32.. {
        // Each other than the last also in float32, so that each is a version of its own.
        let scale = f64::from(std::process::id() % 4096) + f64::from(round) / 1024.0;
        let merged = Adapter::merge(&format!("hr-{worker}"), &[(adapter.clone(), scale)]).unwrap();
        let published = registry.publish(&merged, &PublishOptions::default()).unwrap();
        done(json!({"version": published.version, "sha256": merged.sha256()}));
        let change = registry.promote(ALIAS, &published.version).unwrap();
        done(json!({"change": change.number, "promoted": published.version}));
        if round % 5 == 0 {
            done(json!({"change": registry.rollback(ALIAS).unwrap().number}));
        }
        let entry = AuditEntry { id: worker, version: &published.version, alias: Some(ALIAS), seed: round.into() };
        registry.audit(&entry).unwrap();
        done(json!({"audited": worker}));
    }
}

fn start(folder: &Path, worker: &str, test: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--include-ignored"]).env(FOLDER, folder).env(WORKER, worker);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Two processes work for a while; the second is killed and started again all the time, and its end and that of the first
/// are kills too.
fn compete(test: &str, time: Duration) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder), &std::env::var(WORKER).unwrap());
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path();
    let base = model("qwen2");
    let csv = folder.join("rows.csv");
    std::fs::write(&csv, "input,output\na:b,c\n").unwrap();
    trained(&base, json!({}), &csv).save(&folder.join("adapter")).unwrap();
    let registry = Registry::create(&folder.join("registry")).unwrap();
    let log_size = || std::fs::metadata(folder.join("done-second")).map_or(0, |metadata| metadata.len());
    let mut first = start(folder, "first", test);
    let (begun, mut kills, mut changes) = (Instant::now(), 0u64, BTreeMap::new());
    while begun.elapsed() < time || kills < 3 {
        let before = log_size();
        let mut second = start(folder, "second", test);
        while log_size() < before + 1000 {
            assert!(second.try_wait().unwrap().is_none(), "the second process has ended");
            read(&registry, &mut changes);
        }
        std::thread::sleep(Duration::from_micros(kills * 7919 % 20_011));
        second.kill().unwrap();
        second.wait().unwrap();
        kills += 1;
        assert!(first.try_wait().unwrap().is_none(), "the first process has ended");
    }
    first.kill().unwrap();
    first.wait().unwrap();
    check(&base, &registry, changes, folder, kills);
}

/// What a reader finds at any moment is whole; the changes of the alias are gathered, since it forgets old ones.
fn read(registry: &Registry, changes: &mut BTreeMap<u64, (AliasAction, String)>) {
    match registry.resolve(ALIAS) {
        Ok(publication) => assert!(publication.version.starts_with("hr-")),
        Err(err) => assert!(changes.is_empty() && err.code() == Code::InvalidArgument, "{err}"),
    }
    registry.list().unwrap();
    for change in registry.history(ALIAS).unwrap_or_default() {
        let told = (change.action, change.shares[0].version.clone());
        let known = changes.entry(change.number).or_insert_with(|| told.clone());
        assert_eq!(*known, told, "a change was rewritten");
    }
}

fn check(
    base: &LanguageModel,
    registry: &Registry,
    mut changes: BTreeMap<u64, (AliasAction, String)>,
    folder: &Path,
    kills: u64,
) {
    read(registry, &mut changes);
    let log = ["first", "second"]
        .map(|worker| std::fs::read_to_string(folder.join(format!("done-{worker}"))).unwrap())
        .concat();
    let done: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let published: BTreeMap<&str, &str> =
        done.iter().filter_map(|line| Some((line["version"].as_str()?, line["sha256"].as_str()?))).collect();
    let listed = registry.list().unwrap();
    let versions: BTreeSet<&str> = listed.iter().map(|publication| publication.version.as_str()).collect();
    assert!(published.keys().all(|version| versions.contains(version)), "a version is lost");
    for publication in &listed {
        let adapter = registry.load(base, &publication.version).unwrap();
        let told = published.get(publication.version.as_str());
        assert!(told.is_none_or(|sha256| *sha256 == adapter.sha256()), "{}", publication.version);
    }
    // No change is missing, and each is what its process was told.
    assert!(changes.keys().copied().eq(1..=changes.len() as u64), "{:?}", changes.keys());
    for line in done.iter().filter(|line| line["promoted"].is_string()) {
        let (action, version) = &changes[&line["change"].as_u64().unwrap()];
        assert!(*action == AliasAction::Promote && line["promoted"] == **version, "{line}");
    }
    let audited = |worker: &str| registry.audited(worker).unwrap().len();
    let told = |worker: &str| done.iter().filter(|line| line["audited"] == worker).count();
    for worker in ["first", "second"] {
        assert!(audited(worker) >= told(worker) && audited(worker) <= told(worker) + kills as usize + 1, "{worker}");
    }
    println!("{} versions, {} changes of the alias, {kills} kills", listed.len(), changes.len());
    assert!(kills > 1 && published.len() > 4);
    // What the killed ones left half-written goes with the next publishing.
    let folder = registry.path().join("versions");
    registry.publish(&registry.load(base, ALIAS).unwrap(), &PublishOptions::default()).unwrap();
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<PathBuf> = names.filter(|name| name.starts_with('.')).map(PathBuf::from).collect();
    assert_eq!(left, [] as [PathBuf; 0]);
}

#[test]
fn processes_that_are_killed_lose_no_version_and_tear_no_alias() {
    compete("processes_that_are_killed_lose_no_version_and_tear_no_alias", Duration::from_secs(3));
}

#[test]
#[ignore = "the same for a minute"]
fn processes_that_are_killed_lose_nothing_in_a_minute() {
    compete("processes_that_are_killed_lose_nothing_in_a_minute", Duration::from_secs(60));
}
