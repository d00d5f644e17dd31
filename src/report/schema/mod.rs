//! The JSON Schema of a report's document, for one case, and what the model is told of it.

mod built_in;
mod marks;
#[cfg(test)]
mod marks_tests;
mod task;

pub(crate) use built_in::built_in;
pub(crate) use marks::{Marked, Role};
pub(crate) use task::task;
