//! What a training will take, before it: memory by formula, time by running a small part of it.

mod memory;
mod pace;
mod prediction;
mod workload;

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod tests;

pub(crate) use memory::MemoryEstimate;
pub use prediction::estimate;
pub(crate) use workload::Workload;
