//! What stands behind the handle of a stream.

use super::exclusive::Exclusive;
use crate::control::Cancel;
use crate::generate::Stream;
use std::sync::Mutex;
use std::time::Instant;

/// A stream, and the chunk that the host is reading.
pub(super) struct OpenStream {
    pub(super) work: Exclusive<Work>,
    pub(super) chunk: Mutex<Vec<u8>>,
}

/// A stream and what may stop it.
pub(super) struct Work {
    pub(super) stream: Stream,
    pub(super) cancel: Cancel,
    /// Whether its summary lists the tokens.
    pub(super) lists_tokens: bool,
    pub(super) begun: Instant,
    /// Whether its end was logged.
    pub(super) ended: bool,
}
