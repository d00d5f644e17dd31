//! The types of quantized weights: how each lies in a tile, and how its codes come out of it.

mod five_bits;
mod k_scales;
pub(crate) mod q4_0;
pub(crate) mod q4_k;
pub(crate) mod q5_0;
pub(crate) mod q5_k;
pub(crate) mod q6_k;
pub(crate) mod q8_0;
