//! A text that another is expected to repeat but for a word here and there: a report on the same case with one value changed.

/// So far ahead it is looked for where the text goes on after words of its own.
const AHEAD: usize = 24;

/// The expected text, and how far the other has come in it.
pub(super) struct Guide {
    tokens: Vec<u32>,
    /// The token that is expected next.
    at: usize,
    /// Whether the last token was the one before it.
    followed: bool,
}

impl Guide {
    /// From its beginning.
    pub(super) fn new(tokens: Vec<u32>) -> Self {
        Guide { tokens, at: 0, followed: true }
    }

    /// From its beginning again.
    pub(super) fn rewound(self) -> Self {
        Guide::new(self.tokens)
    }

    /// What came. After a token that was not expected, the text is taken up again where the next one like it stands.
    pub(super) fn follow(&mut self, token: u32) {
        let ahead = self.tokens[self.at..].iter().take(AHEAD).position(|expected| *expected == token);
        self.followed = ahead.is_some();
        self.at += ahead.map_or(0, |ahead| ahead + 1);
    }

    /// What is expected next; nothing while the text has words of its own.
    pub(super) fn expected(&self) -> &[u32] {
        if self.followed { &self.tokens[self.at..] } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_up_again_after_words_of_its_own() {
        let mut guide = Guide::new((10..60).collect());
        assert_eq!(guide.expected()[..2], [10, 11]);
        guide.follow(10);
        assert_eq!(guide.expected()[0], 11);
        guide.follow(7);
        assert!(guide.expected().is_empty());
        guide.follow(12);
        assert_eq!(guide.expected()[0], 13, "one word stood for another");
        guide.follow(13 + AHEAD as u32);
        assert!(guide.expected().is_empty(), "too far ahead");
        for token in 14..60 {
            guide.follow(token);
        }
        assert!(guide.expected().is_empty(), "nothing follows its end");
        guide.follow(3);
        assert!(Guide::new(Vec::new()).expected().is_empty());
    }
}
