//! Reports as Word files, and what reviewers made of them.
//!
//! ```text
//! cases → draft → template filled: tracked insertions, a comment a conclusion, the fields as a table → .docx
//! reviewed .docx → accepted text, laid beside the draft that the file carries → rows, and a label a conclusion
//! ```
//!
//! [`write()`] puts the draft before a reviewer as tracked insertions of an AI author, with change tracking on. [`read`] takes
//! the file back however it was reviewed.

mod carried;
mod case;
mod copies;
mod draft;
mod labels;
mod markup;
mod options;
mod package;
mod recalibrate;
mod regions;
#[cfg(any(test, feature = "fuzzing"))]
mod repack;
mod review;
mod slots;
mod word_file;
mod words;
mod write;
mod xml;

pub use case::Case;
pub use labels::Label;
pub use options::{DocxOptions, Language};
pub use recalibrate::{ReviewSummary, recalibrate};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use repack::repacked;
pub use review::{Review, ReviewedCase, ReviewedConclusion, read, read_file};
pub use write::{write, write_file, write_files};

#[cfg(test)]
mod tests;
