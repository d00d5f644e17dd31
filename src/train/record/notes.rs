//! What a host should know of a training that went on nevertheless: sentences, which the summary lists.

use std::fmt::Display;

/// Each thing is said once, however often it happens.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Vec<Note>);

#[derive(Debug, Clone)]
struct Note {
    what: String,
    times: u64,
    reason: Option<String>,
}

impl Notes {
    /// Takes note of a sentence.
    pub(crate) fn say(&mut self, what: impl Into<String>) {
        self.add(what.into(), None);
    }

    /// Takes note of what failed; of the reasons, the first is kept.
    pub(crate) fn failed(&mut self, what: &str, reason: impl Display) {
        self.add(what.to_owned(), Some(reason.to_string()));
    }

    fn add(&mut self, what: String, reason: Option<String>) {
        match self.0.iter_mut().find(|note| note.what == what) {
            Some(note) => note.times += 1,
            None => {
                tracing::warn!(reason, "{what}");
                self.0.push(Note { what, times: 1, reason });
            }
        }
    }

    /// Takes over those of another.
    pub(crate) fn extend(&mut self, other: Notes) {
        self.0.extend(other.0);
    }

    /// The sentences, in the order in which they came up.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let sentence = |Note { what, times, reason }: &Note| {
            let times = if *times > 1 { format!(" ({times} times)") } else { String::new() };
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{what}{times}{reason}")
        };
        self.0.iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_said_once() {
        let mut notes = Notes::default();
        notes.failed("a line was not written", "disk full");
        notes.say("the loss was still falling");
        notes.failed("a line was not written", "disk gone");
        assert_eq!(notes.sentences(), ["a line was not written (2 times): disk full", "the loss was still falling"]);
    }
}
