//! Quantized weights: tiles of integers with scales, their products in integers on the CPU's vectors, and the types.

#[cfg(target_arch = "x86_64")]
mod amx;
#[cfg(target_arch = "x86_64")]
mod avx2;
mod kernel;
mod matrix;
mod portable;
#[cfg(test)]
mod tests;
mod tile;
mod tiles;
pub(crate) mod types;
#[cfg(target_arch = "x86_64")]
mod vnni;
