//! Whose rows an adapter was trained on: enough to answer whether a person is among them, and not to read who is.

use crate::error::Result;
use crate::salted::Salt;
use serde::{Deserialize, Serialize};

/// The ids of the rows as salted hashes, one list for each training that the adapter comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TrainedIds(Vec<OneTraining>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OneTraining {
    salt: Salt,
    /// In order, each once: neither a person's row nor the number of their rows can be read off.
    hashes: Vec<String>,
}

impl TrainedIds {
    /// Those of one training.
    pub(crate) fn new(ids: Vec<&str>) -> Result<Self> {
        let salt = Salt::random()?;
        let mut hashes: Vec<String> = ids.iter().map(|id| salt.short_hash(id)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        Ok(TrainedIds(vec![OneTraining { salt, hashes }]))
    }

    /// Those of several adapters that become one. If one of them does not know, neither does the whole.
    pub(crate) fn of_all<'a>(parts: impl Iterator<Item = Option<&'a TrainedIds>>) -> Option<Self> {
        let parts = parts.collect::<Option<Vec<_>>>()?;
        Some(TrainedIds(parts.into_iter().flat_map(|part| part.0.iter().cloned()).collect()))
    }

    /// Whether a person's rows are among them.
    pub(crate) fn contains(&self, id: &str) -> bool {
        let holds = |training: &OneTraining| training.hashes.contains(&training.salt.short_hash(id));
        self.0.iter().any(holds)
    }

    /// How many ids; who is in two trainings counts twice.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|training| training.hashes.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_and_cannot_be_read() {
        let one = TrainedIds::new(vec!["E-17", "E-18", "E-17"]).unwrap();
        let other = TrainedIds::new(vec!["E-20", "E-17"]).unwrap();
        assert_eq!(
            (one.contains("E-17"), one.contains("E-20"), one.contains("e-17"), one.len()),
            (true, false, false, 2)
        );
        let text = serde_json::to_string(&one).unwrap();
        assert!(!text.contains("E-1"), "{text}");
        assert_eq!(serde_json::from_str::<TrainedIds>(&text).unwrap(), one);
        let both = TrainedIds::of_all([Some(&one), Some(&other)].into_iter()).unwrap();
        assert_eq!(
            (both.contains("E-18"), both.contains("E-20"), both.contains("E-21"), both.len()),
            (true, true, false, 4)
        );
        assert!(TrainedIds::of_all([Some(&one), None].into_iter()).is_none());
        assert_ne!(one, TrainedIds::new(vec!["E-17", "E-18"]).unwrap(), "two trainings show who is in both");
    }
}
