//! What a text waits for: the tokens that are to be run, and after which of them the logits are needed.

use super::generation::{FinishReason, TopToken};

/// What is to be run next.
pub(super) enum Next {
    /// The prompt from this token on.
    Prompt(usize),
    /// Tokens that came together: the logits after each give the log-probability of the one behind it. That of the first is
    /// known. The last one is run only if something follows it.
    Together { tokens: Vec<u32>, run: usize, first: Judged, then: Option<FinishReason> },
    /// The last token of the text, and those that may follow it.
    Last(Vec<u32>),
    /// Nothing.
    End,
}

/// What the model says of a token of the text.
pub(super) struct Judged {
    pub(super) logprob: f32,
    /// What might have stood in its place, where that is to be listed.
    pub(super) top: Vec<TopToken>,
}

impl Next {
    /// The tokens to run, of a prompt that is run in chunks.
    pub(super) fn tokens<'n>(&'n self, prompt: &'n [u32], chunk: usize) -> &'n [u32] {
        match self {
            Next::Prompt(read) => &prompt[*read..prompt.len().min(read + chunk)],
            Next::Together { tokens, run, .. } => &tokens[..*run],
            Next::Last(tokens) => tokens,
            Next::End => &[],
        }
    }

    /// After how many of them, from the end, the logits are needed.
    pub(super) fn outputs(&self, prompt: &[u32], chunk: usize) -> usize {
        match self {
            Next::Prompt(read) => usize::from(read + chunk >= prompt.len()),
            Next::Together { run, .. } => *run,
            Next::Last(tokens) => tokens.len(),
            Next::End => 0,
        }
    }

    /// Whether a token is drawn from the logits, whatever they are.
    pub(super) fn draws(&self) -> bool {
        match self {
            Next::Together { tokens, run, .. } => *run == tokens.len(),
            Next::Last(_) => true,
            Next::Prompt(_) | Next::End => false,
        }
    }
}
