//! Aliases: names such as `production` that stand for a version, or split employees among several for an A/B test.

use super::versions::Publication;
use super::{ALIASES, Registry, VERSIONS, read_json, write_json};
use crate::adapter::check_name;
use crate::dataset::clean_id;
use crate::error::{Code, Error, IoContext, Result};
use crate::files::{is_there, temporary};
use crate::salted::{Salt, leading_u64};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const SCHEMA: &str = "tailora.alias/1";
/// Changes that an alias remembers.
const HISTORY: usize = 500;
/// Versions that an alias splits employees among, at most.
const MOST_SHARES: usize = 16;

/// A version, and the share of employees that it is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Name of the version.
    pub version: String,
    /// Above 0; all shares of an alias add up to 1.
    pub share: f64,
}

/// How an alias came to stand for what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AliasAction {
    /// It was given something new to stand for.
    Promote,
    /// It was given back what it stood for before.
    Rollback,
}

/// One change of an alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AliasChange {
    /// From 1; no number is missing and none is there twice.
    pub number: u64,
    /// RFC 3339.
    pub time: String,
    /// What was done.
    pub action: AliasAction,
    /// What it stands for since.
    pub shares: Vec<Share>,
    /// The change that a rollback from here restores.
    pub before: Option<u64>,
}

/// An alias, and the change that holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AliasState {
    /// Its name.
    pub alias: String,
    /// What it stands for, and since when.
    #[serde(flatten)]
    pub change: AliasChange,
}

#[derive(Serialize, Deserialize)]
struct Alias {
    schema: String,
    alias: String,
    /// Of the split: it stays, so that an employee stays with a version when shares grow.
    salt: Salt,
    /// The last one is what holds.
    changes: Vec<AliasChange>,
}

impl Registry {
    /// Lets an alias stand for a version. Makes the alias if there is none; does nothing if it stands for that already.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such version. `InvalidOptions`: a name that is none.
    pub fn promote(&self, alias: &str, version: &str) -> Result<AliasChange> {
        self.promote_split(alias, &[Share { version: version.to_owned(), share: 1.0 }])
    }

    /// Lets an alias split employees among versions, as [`Registry::ab`] says.
    ///
    /// # Errors
    /// As [`Registry::promote`]; `InvalidArgument` for shares that do not add up to 1.
    pub fn promote_split(&self, alias: &str, shares: &[Share]) -> Result<AliasChange> {
        check_name("alias", alias)?;
        check_shares(shares)?;
        for Share { version, .. } in shares {
            self.version(version)?;
        }
        if is_there(&self.path.join(VERSIONS).join(alias))? {
            let message = format!("`{alias}` is the name of a version; expected another name for an alias");
            return Err(Error::new(Code::InvalidArgument, message).with("alias", alias));
        }
        self.change(alias, |changes| {
            let last = changes.last();
            if last.is_some_and(|last| last.shares == shares) {
                return Ok(None);
            }
            Ok(Some((AliasAction::Promote, shares.to_vec(), last.map(|last| last.number))))
        })
    }

    /// Gives an alias back what it stood for before its last promotion; once more, what it stood for before that.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such alias, or nothing before.
    pub fn rollback(&self, alias: &str) -> Result<AliasChange> {
        self.alias(alias)?;
        self.change(alias, |changes| {
            let before = changes.last().and_then(|last| last.before);
            match before.and_then(|before| changes.iter().find(|change| change.number == before)) {
                Some(target) => Ok(Some((AliasAction::Rollback, target.shares.clone(), target.before))),
                None => {
                    let message =
                        format!("the alias `{alias}` has nothing before what it stands for; promote a version");
                    Err(Error::new(Code::InvalidArgument, message).with("alias", alias))
                }
            }
        })
    }

    /// The last 500 changes of an alias, the oldest first.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such alias.
    pub fn history(&self, alias: &str) -> Result<Vec<AliasChange>> {
        self.alias(alias).map(|alias| alias.changes)
    }

    /// All aliases with what they stand for, by name.
    pub fn aliases(&self) -> Result<Vec<AliasState>> {
        let folder = self.path.join(ALIASES);
        if !is_there(&folder)? {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder).at("read", &folder)? {
            let name = entry.at("read", &folder)?.file_name();
            // What is being written has another name.
            let name = name.to_str().and_then(|name| name.strip_prefix("alias-")?.strip_suffix(".json"));
            let Some(name) = name.filter(|name| check_name("alias", name).is_ok()) else { continue };
            if let Some(Alias { alias, mut changes, .. }) = self.read_alias(name)?
                && let Some(change) = changes.pop()
            {
                found.push(AliasState { alias, change });
            }
        }
        found.sort_by(|a, b| a.alias.cmp(&b.alias));
        Ok(found)
    }

    /// The version that an alias stands for, or the version of this name.
    ///
    /// # Errors
    /// `InvalidArgument`: neither is there, or the alias is split among several.
    pub fn resolve(&self, alias_or_version: &str) -> Result<Publication> {
        let shares = match self.find_alias(alias_or_version)? {
            None => return self.version(alias_or_version),
            Some(alias) => alias.shares()?.to_vec(),
        };
        match shares.as_slice() {
            [only] => self.version(&only.version),
            several => {
                let versions: Vec<&str> = several.iter().map(|share| share.version.as_str()).collect();
                let message = format!(
                    "the alias `{alias_or_version}` is split among {}; ask for an employee's version with `ab`",
                    versions.join(", ")
                );
                Err(Error::new(Code::InvalidArgument, message).with("versions", versions))
            }
        }
    }

    /// The version that an alias has for an employee: always the same while the shares stay.
    ///
    /// SHA-256 of the alias's salt, a zero byte and the id; its first 8 bytes, big-endian, over 2⁶⁴ are a number from 0 to 1.
    /// The version is that in whose part of the shares, laid end to end in their order, the number falls. The salt
    /// never changes, so whoever has the first version of a split keeps it when its share grows.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such alias, or the id is empty.
    pub fn ab(&self, alias: &str, id: &str) -> Result<Publication> {
        let id = clean_id(id);
        if id.is_empty() {
            return Err(Error::new(Code::InvalidArgument, "the employee's id is empty; expected one"));
        }
        let alias = self.alias(alias)?;
        let point = leading_u64(&alias.salt.hash(&id)) as f64 / 2f64.powi(64);
        let mut end = 0.0;
        let shares = alias.shares()?;
        let chosen = shares.iter().find(|share| {
            end += share.share;
            point < end
        });
        // Shares add up to 1 but for rounding.
        match chosen.or(shares.last()) {
            Some(share) => self.version(&share.version),
            None => Err(alias.stands_for_nothing()),
        }
    }

    /// As [`Registry::resolve`], for an employee: of an alias, the version that [`Registry::ab`] says.
    ///
    /// # Errors
    /// `InvalidArgument`: there is neither, or the id is empty.
    pub fn resolve_for(&self, alias_or_version: &str, id: &str) -> Result<Publication> {
        match self.find_alias(alias_or_version)? {
            Some(_) => self.ab(alias_or_version, id),
            None => self.version(alias_or_version),
        }
    }

    fn alias(&self, alias: &str) -> Result<Alias> {
        self.find_alias(alias)?.ok_or_else(|| {
            let message =
                format!("the registry {} has no alias `{alias}`; promote a version to make it", self.path.display());
            Error::new(Code::InvalidArgument, message).with("alias", alias).with_path(&self.path)
        })
    }

    fn find_alias(&self, alias: &str) -> Result<Option<Alias>> {
        match check_name("alias", alias) {
            // Some file systems take `Production` for `production`.
            Ok(()) => Ok(self.read_alias(alias)?.filter(|found| found.alias == alias)),
            Err(_) => Ok(None),
        }
    }

    /// What stands in the file of an alias.
    fn read_alias(&self, alias: &str) -> Result<Option<Alias>> {
        let path = self.alias_path(alias);
        match is_there(&path)? {
            true => read_json(&path, SCHEMA, |alias: &Alias| &alias.schema).map(Some),
            false => Ok(None),
        }
    }

    fn alias_path(&self, alias: &str) -> PathBuf {
        self.path.join(ALIASES).join(format!("alias-{alias}.json"))
    }

    /// Changes an alias as `decide` says after looking at what it was; gives the change that holds now.
    fn change(
        &self,
        alias: &str,
        decide: impl FnOnce(&[AliasChange]) -> Result<Option<(AliasAction, Vec<Share>, Option<u64>)>>,
    ) -> Result<AliasChange> {
        let folder = self.folder(ALIASES)?;
        let _lock = self.lock()?;
        // Under the lock nobody else writes here.
        temporary::sweep(&folder, &[]);
        let path = self.alias_path(alias);
        let mut file = match self.read_alias(alias)? {
            Some(found) if found.alias == alias => found,
            Some(Alias { alias: other, .. }) => {
                let message = format!("here `{alias}` is the alias `{other}`; write it so, or take another name");
                return Err(Error::new(Code::InvalidArgument, message).with("alias", other).with_path(&path));
            }
            None => {
                let (schema, alias) = (SCHEMA.to_owned(), alias.to_owned());
                Alias { schema, alias, salt: Salt::random()?, changes: Vec::new() }
            }
        };
        if let Some((action, shares, before)) = decide(&file.changes)? {
            let number = file.changes.last().map_or(0, |last| last.number) + 1;
            let time = jiff::Timestamp::now().to_string();
            file.changes.push(AliasChange { number, time, action, shares, before });
            file.changes.drain(..file.changes.len().saturating_sub(HISTORY));
            write_json(&path, &file)?;
        }
        file.changes.pop().ok_or_else(|| file.stands_for_nothing())
    }
}

impl Alias {
    fn shares(&self) -> Result<&[Share]> {
        self.changes.last().map(|last| last.shares.as_slice()).ok_or_else(|| self.stands_for_nothing())
    }

    fn stands_for_nothing(&self) -> Error {
        let message = format!("the file of the alias `{}` is damaged: it stands for nothing", self.alias);
        Error::new(Code::Io, message).with("alias", &self.alias)
    }
}

fn check_shares(shares: &[Share]) -> Result<()> {
    let refuse = |what: String| Err(Error::new(Code::InvalidArgument, what));
    if shares.is_empty() || shares.len() > MOST_SHARES {
        return refuse(format!("{} versions are given; expected 1 to {MOST_SHARES}", shares.len()));
    }
    if let Some(Share { version, share }) = shares.iter().find(|share| !(share.share > 0.0 && share.share <= 1.0)) {
        return refuse(format!("the share of {version} is {share}; expected a number above 0, and at most 1"));
    }
    let mut versions: Vec<&str> = shares.iter().map(|share| share.version.as_str()).collect();
    versions.sort_unstable();
    if let Some(pair) = versions.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(format!("the version {} is given twice; expected each once", pair[0]));
    }
    let sum: f64 = shares.iter().map(|share| share.share).sum();
    if (sum - 1.0).abs() > 1e-9 {
        return refuse(format!("the shares add up to {sum}; expected 1"));
    }
    Ok(())
}
