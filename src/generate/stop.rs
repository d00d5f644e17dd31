//! Stop strings over streamed text: nothing that may turn out to be the start of one is let through.

/// Watches a growing text for the first of several stop strings.
#[derive(Debug, Clone)]
pub(crate) struct StopStrings {
    stops: Vec<String>,
    /// Texts whose beginnings are held back, too, since they may be taken back.
    uncertain: Vec<String>,
    held: String,
}

/// What a piece of text made certain.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// This much more can no longer become part of a stop string.
    Text(String),
    /// The text ends here; a stop string followed.
    Stopped(String),
}

impl StopStrings {
    pub(crate) fn new(stops: &[String]) -> Self {
        StopStrings { stops: stops.to_vec(), uncertain: Vec::new(), held: String::new() }
    }

    /// Holds back what may be the beginning of one of these texts.
    pub(crate) fn hold_back(&mut self, uncertain: Vec<String>) {
        self.uncertain = uncertain;
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.stops.is_empty()
    }

    /// Adds `piece` and returns what is certain. Where a piece begins and ends does not change the outcome: the stop
    /// string that is complete first wins, of two complete at once the longer one.
    pub(crate) fn push(&mut self, piece: &str) -> Passed {
        self.held.push_str(piece);
        let first = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()).map(|start| (start + stop.len(), start)))
            .min();
        if let Some((_, start)) = first {
            self.held.truncate(start);
            return Passed::Stopped(std::mem::take(&mut self.held));
        }
        let certain = self.held.len() - self.longest_unfinished();
        let rest = self.held.split_off(certain);
        Passed::Text(std::mem::replace(&mut self.held, rest))
    }

    /// The text held back, once no more will come.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Bytes at the end of the held text that begin a stop string.
    fn longest_unfinished(&self) -> usize {
        let unfinished = |stop: &String| {
            stop.char_indices().map(|(at, _)| at).rev().find(|&at| self.held.ends_with(&stop[..at])).unwrap_or(0)
        };
        let held = self.held.as_bytes();
        let ends_with = |part: &str| {
            held.len().checked_sub(part.len()).is_some_and(|at| held[at..].eq_ignore_ascii_case(part.as_bytes()))
        };
        let uncertain =
            |text: &String| text.char_indices().map(|(at, _)| at).rev().find(|&at| ends_with(&text[..at])).unwrap_or(0);
        self.stops.iter().map(unfinished).chain(self.uncertain.iter().map(uncertain)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `pieces`; the text let through, and whether a stop string ended it.
    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let stops: Vec<String> = stops.iter().map(ToString::to_string).collect();
        let mut watch = StopStrings::new(&stops);
        let mut out = String::new();
        for piece in pieces {
            match watch.push(piece) {
                Passed::Text(text) => out.push_str(&text),
                Passed::Stopped(text) => return (out + &text, true),
            }
            assert!(stops.iter().all(|stop| !out.contains(stop.as_str())));
        }
        (out + &watch.finish(), false)
    }

    #[test]
    fn any_split_of_a_text_ends_at_the_same_place() {
        let text = "绩效稳定。建议：晋升。END。建议";
        for (stops, expected, stopped) in [
            (vec!["建议：", "END"], "绩效稳定。", true),
            (vec!["END"], "绩效稳定。建议：晋升。", true),
            (vec!["建议x", "zzz"], text, false),
            (vec!["定。建", "。"], "绩效稳定", true),
            (vec![], text, false),
        ] {
            let chars: Vec<String> = text.chars().map(String::from).collect();
            for width in 1..=chars.len() {
                let pieces: Vec<String> = chars.chunks(width).map(<[String]>::concat).collect();
                let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                assert_eq!(run(&stops, &pieces), (expected.to_string(), stopped), "{stops:?} width {width}");
            }
        }
    }

    #[test]
    fn a_possible_beginning_is_held_until_it_is_certain() {
        let mut watch = StopStrings::new(&["###".to_string()]);
        assert_eq!(watch.push("a##"), Passed::Text("a".into()));
        assert_eq!(watch.push("b#"), Passed::Text("##b".into()));
        assert_eq!(watch.finish(), "#");
        let mut watch = StopStrings::new(&["aab".to_string()]);
        assert_eq!(watch.push("aa"), Passed::Text(String::new()));
        assert_eq!(watch.push("a"), Passed::Text("a".into()));
        assert_eq!(watch.push("b!"), Passed::Stopped(String::new()));
    }
}
