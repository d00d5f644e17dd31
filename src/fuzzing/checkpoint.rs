//! The checkpoint of a run, from which a run goes on.

pub(super) fn run(bytes: &[u8]) {
    super::check(crate::train::checkpoint_fuzzing::resume_from(bytes));
}
