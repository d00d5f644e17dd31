use super::*;
use crate::adapter::{Adapter, AdapterBase, AdapterManifest, LoraConfig, TrainedIds};
use crate::model::{APART, Sites};
use crate::tensor::Device;
use serde_json::{Map, json};

fn adapter(seed: u64) -> Adapter {
    let base = AdapterBase {
        sha256: Some("ab12".into()),
        ..AdapterBase::new(Sites { table: &APART, num_layers: 1 }, &Device::host(), |_| (8, 8)).named("base")
    };
    let config = LoraConfig { r: 3, ..Default::default() };
    let adapter = Adapter::new_for_training(&config, base, seed).unwrap();
    let trained_ids = Some(TrainedIds::new(vec!["E1", "E2"]).unwrap());
    adapter.with_manifest("hr_review", AdapterManifest { rows: Some(60), trained_ids, ..Default::default() })
}

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::create(&dir.path().join("registry")).unwrap();
    (dir, registry)
}

fn publish(registry: &Registry, seed: u64) -> String {
    registry.publish(&adapter(seed), &PublishOptions::default()).unwrap().version
}

#[test]
fn a_version_has_date_rows_rank_and_hash_and_is_published_once() {
    let (_dir, registry) = registry();
    let one = adapter(1);
    let extra = Map::from_iter([("approved_by".to_owned(), json!("HR"))]);
    let options = PublishOptions { name: None, extra };
    let published = registry.publish(&one, &options).unwrap();
    let today = jiff::Zoned::now().strftime("%Y%m%d").to_string();
    assert_eq!(published.version, format!("hr_review-{today}-n60-r3-{}", &one.sha256()[..4]));
    assert_eq!((published.rows, published.r, published.base.as_str()), (Some(60), 3, "base"));
    assert_eq!((published.base_sha256.as_deref(), &*published.adapter_sha256), (Some("ab12"), one.sha256()));
    assert_eq!(registry.publish(&one, &options).unwrap(), published, "a repeated call finds what is there");
    let err = registry.publish(&one, &PublishOptions::default()).unwrap_err();
    assert!(err.message().contains("another `extra`"), "{err}");
    let renamed = PublishOptions { name: Some("复盘".into()), ..options.clone() };
    assert!(registry.publish(&one, &renamed).unwrap().version.starts_with("复盘-"));
    for name in ["../out", "a/b", ".a", ""] {
        let err = registry.publish(&one, &PublishOptions { name: Some(name.into()), ..options.clone() }).unwrap_err();
        assert_eq!(err.code(), Code::InvalidOptions, "{name}");
    }
    let versions: Vec<String> = registry.list().unwrap().into_iter().map(|publication| publication.version).collect();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0], published.version);
}

#[test]
fn merged_adapters_have_version_names_and_know_whose_rows_are_in() {
    let (_dir, registry) = registry();
    let parts = [(adapter(1), 0.5), (adapter(2), 0.5)];
    let merged = Adapter::merge("both", &parts).unwrap();
    let version = registry.publish(&merged, &PublishOptions::default()).unwrap().version;
    assert!(version.contains("-n120-r6-"), "{version}");
    assert_eq!(version, format!("both-{}", merged.version()));
    assert!(registry.contains(&version, " E1").unwrap() && !registry.contains(&version, "E3").unwrap());
    let unknown = adapter(3).with_manifest("hr_review", AdapterManifest::default());
    let version = registry.publish(&unknown, &PublishOptions::default()).unwrap().version;
    assert!(!version.contains("-n"), "rows that nobody knows are not in the name: {version}");
    let err = registry.contains(&version, "E1").unwrap_err();
    assert!(err.code() == Code::InvalidArgument && err.message().contains("id_column"), "{err}");
}

/// Two adapters whose hashes begin alike: the second has a longer name.
#[test]
fn versions_of_one_day_are_told_apart() {
    let (_dir, registry) = registry();
    let one = adapter(1);
    let version = registry.publish(&one, &PublishOptions::default()).unwrap().version;
    // As if it were another's.
    let path = registry.version_path(&version).unwrap().join(versions::PUBLICATION);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(one.sha256(), "0000")).unwrap();
    let longer = registry.publish(&one, &PublishOptions::default()).unwrap().version;
    assert_eq!(longer, version.replace(&one.sha256()[..4], &one.sha256()[..8]));
}

#[test]
fn aliases_are_promoted_and_rolled_back_step_by_step() {
    let (_dir, registry) = registry();
    let [a, b, c] = [1, 2, 3].map(|seed| publish(&registry, seed));
    assert_eq!(registry.resolve("production").unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(registry.promote("production", "none").unwrap_err().code(), Code::InvalidArgument);
    assert!(!registry.path().join(ALIASES).exists(), "what is refused leaves nothing");
    let resolved = |name: &str| registry.resolve(name).unwrap().version;
    for version in [&a, &b, &b, &c] {
        registry.promote("production", version).unwrap();
        assert_eq!(&resolved("production"), version);
    }
    assert_eq!(resolved(&a), a);
    for expected in [&b, &a] {
        registry.rollback("production").unwrap();
        assert_eq!(&resolved("production"), expected);
    }
    let err = registry.rollback("production").unwrap_err();
    assert!(err.message().contains("nothing before"), "{err}");
    registry.promote("production", &c).unwrap();
    registry.rollback("production").unwrap();
    assert_eq!(resolved("production"), a, "back to what it was before the promotion, not to what was rolled back");
    let numbers: Vec<u64> = registry.history("production").unwrap().iter().map(|change| change.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7], "a promotion to what it is already is none");
    assert_eq!(registry.rollback("none").unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(registry.promote("../x", &a).unwrap_err().code(), Code::InvalidOptions);
    assert_eq!(
        registry.promote(&a[..40.min(a.len())], &a).map(drop).map_err(|err| err.code()).err(),
        match a.len() {
            ..=40 => Some(Code::InvalidArgument),
            _ => None,
        }
    );
}

/// As on a file system that does not tell large letters from small ones.
#[test]
fn an_alias_in_another_spelling_is_another() {
    let (_dir, registry) = registry();
    let version = publish(&registry, 1);
    registry.promote("production", &version).unwrap();
    let file = |alias: &str| registry.path().join(ALIASES).join(format!("alias-{alias}.json"));
    std::fs::copy(file("production"), file("Production")).unwrap();
    assert_eq!(registry.resolve("Production").unwrap_err().code(), Code::InvalidArgument);
    let err = registry.promote("Production", &version).unwrap_err();
    assert_eq!((err.code(), &err.details()["alias"]), (Code::InvalidArgument, &json!("production")));
    std::fs::write(file("production"), "{").unwrap();
    assert_eq!(
        registry.promote("production", &version).unwrap_err().code(),
        Code::Io,
        "what is damaged is not replaced"
    );
}

#[test]
fn a_history_stays_of_a_size_and_goes_on_counting() {
    let (_dir, registry) = registry();
    let [a, b] = [1, 2].map(|seed| publish(&registry, seed));
    for _ in 0..260 {
        registry.promote("production", &a).unwrap();
        registry.promote("production", &b).unwrap();
    }
    let history = registry.history("production").unwrap();
    assert_eq!((history.len(), history[0].number, history[499].number), (500, 21, 520));
}

#[test]
fn a_split_is_stable_and_of_its_shares() {
    let (_dir, registry) = registry();
    let [a, b] = [1, 2].map(|seed| publish(&registry, seed));
    let split = |shares: [f64; 2]| {
        let shares =
            [(&a, shares[0]), (&b, shares[1])].map(|(version, share)| Share { version: version.clone(), share });
        registry.promote_split("trial", &shares)
    };
    split([0.2, 0.8]).unwrap();
    let of = |id: usize| registry.ab("trial", &format!("E{id}")).unwrap().version;
    let first: Vec<String> = (0..1000).map(of).collect();
    let count = first.iter().filter(|version| **version == a).count();
    // 1,000 draws at 0.2 have a standard deviation of 13.
    assert!((150..250).contains(&count), "{count}");
    assert_eq!(registry.ab("trial", " E7\u{feff}").unwrap().version, first[7]);
    let err = registry.resolve("trial").unwrap_err();
    assert!(err.message().contains(&a) && err.message().contains("`ab`"), "{err}");
    split([0.5, 0.5]).unwrap();
    assert!(
        (0..1000).all(|id| first[id] != a || of(id) == a),
        "who had the first version keeps it when its share grows"
    );
    registry.promote("trial", &b).unwrap();
    assert_eq!((of(3), registry.resolve("trial").unwrap().version), (b.clone(), b.clone()));
    for shares in [[0.5, 0.6], [0.0, 1.0], [f64::NAN, 1.0], [-1.0, 2.0]] {
        assert_eq!(split(shares).unwrap_err().code(), Code::InvalidArgument, "{shares:?}");
    }
    assert_eq!(registry.ab("trial", " ").unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn the_audit_finds_a_persons_reports_and_heals() {
    let (_dir, registry) = registry();
    let version = publish(&registry, 1);
    let entry = |id, seed| AuditEntry { id, version: &version, alias: Some("production"), seed };
    assert_eq!(registry.audited("E1").unwrap(), []);
    registry.audit(&entry("E1", 7)).unwrap();
    registry.audit(&entry("E2", 8)).unwrap();
    let path = registry.path().join(AUDIT);
    let whole = std::fs::read_to_string(&path).unwrap();
    assert!(!whole.contains("E1"), "{whole}");
    std::fs::write(&path, format!("{whole}{{\"time\": \"2026")).unwrap();
    assert_eq!(registry.audited("E1").unwrap().len(), 1, "half a line is not there yet");
    registry.audit(&entry("E1 ", 9)).unwrap();
    let seeds: Vec<u64> = registry.audited("E1").unwrap().iter().map(|line| line.seed).collect();
    assert_eq!(seeds, [7, 9]);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    let unknown = AuditEntry { version: "none", ..entry("E1", 1) };
    assert_eq!(registry.audit(&unknown).unwrap_err().code(), Code::InvalidArgument);
    std::fs::write(&path, "x\n").unwrap();
    assert_eq!(registry.audited("E1").unwrap_err().details()["line"], 1);
}

#[test]
fn only_a_registry_is_opened_and_only_an_empty_folder_becomes_one() {
    let dir = tempfile::tempdir().unwrap();
    let err = Registry::open(dir.path()).unwrap_err();
    assert!(err.code() == Code::Io && err.message().contains("is no registry"), "{err}");
    std::fs::write(dir.path().join("letter.txt"), "mine").unwrap();
    let err = Registry::create(dir.path()).unwrap_err();
    assert!(err.message().contains("letter.txt"), "{err}");
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join(LOCK), "").unwrap();
    let made = Registry::create(&other).unwrap();
    assert_eq!(Registry::create(&other).unwrap().salt, made.salt);
    std::fs::write(other.join(MARKER), "{\"schema\": \"tailora.registry/9\", \"created\": \"\", \"salt\": \"\"}")
        .unwrap();
    assert!(Registry::open(&other).unwrap_err().message().contains("expected `tailora.registry/1`"));
}

#[test]
fn what_was_put_there_by_hand_is_no_version() {
    let (_dir, registry) = registry();
    let version = publish(&registry, 1);
    let path = registry.version_path(&version).unwrap();
    std::fs::create_dir(registry.path().join(VERSIONS).join("by-hand")).unwrap();
    std::fs::create_dir(registry.path().join(VERSIONS).join(".tailora-AbCdEf")).unwrap();
    assert_eq!(registry.list().unwrap().len(), 1);
    publish(&registry, 2);
    assert!(!registry.path().join(VERSIONS).join(".tailora-AbCdEf").exists(), "what was half-written is swept");
    std::fs::rename(&path, path.with_file_name("renamed")).unwrap();
    assert!(registry.version("renamed").unwrap_err().message().contains(&version));
    for outside in ["..", "../versions", "a/b", ""] {
        assert_eq!(registry.version(outside).unwrap_err().code(), Code::InvalidArgument, "{outside}");
    }
}
