//! What a training leaves on the disk: its directory, metrics, checkpoints and adapter versions.

mod checkpoint;
mod claim;
mod learnt;
mod metrics;
mod notes;
mod page;
mod run_dir;
mod tensorboard;

pub(crate) use checkpoint::{Checkpoint, NAME as CHECKPOINT, Values, name_of_fold};
pub(crate) use learnt::learnt_rows;
pub(crate) use notes::Notes;
pub(crate) use page::write as write_page;
pub(crate) use run_dir::{Provenance, RunDir, named_version};
