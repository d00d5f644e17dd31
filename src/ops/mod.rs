//! Operators on activations: forward and backward beside each other.
//!
//! There is no autograd graph. Each operator has a forward function and one that maps the gradient of the output to the
//! gradients of the inputs; the decoder calls them in order (candle's own graph would be cut silently by its fused
//! operators, and would compute the gradient of every frozen weight).
//!
//! A folder has the formula and the dispatch in `mod.rs`, the multi-threaded kernel on slices in `cpu.rs`, and the kernel of
//! a GPU in a `.cu` file with what calls it in `cuda.rs`. The same operators composed of candle's (`reference`) are the
//! oracle that tests hold them against.

pub(crate) mod adamw;
pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub(crate) mod experts;
mod kinds;
pub(crate) mod lora;
mod reference;
pub(crate) mod rms_norm;
pub(crate) mod rope;
pub(crate) mod select;
pub(crate) mod softcap;
pub(crate) mod swiglu;

#[cfg(test)]
mod parity_tests;
#[cfg(test)]
mod tests;
