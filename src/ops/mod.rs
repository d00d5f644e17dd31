//! Operators on flat token matrices `[tokens, features]`: forward and backward beside each other.
//!
//! There is no autograd graph. Each file has a forward function and one that maps the gradient of the output to the
//! gradients of the inputs; the decoder calls them in order (candle's own graph would be cut silently by its fused
//! operators, and would compute the gradient of every frozen weight).
//!
//! On the CPU, activations are contiguous f32 and each operator has a multi-threaded kernel on slices. On any other
//! device the same operator is composed of candle's; tests hold the two against each other.
#![allow(unsafe_code)]

pub(crate) mod adamw;
pub(crate) mod attention;
pub(crate) mod buffers;
pub(crate) mod cross_entropy;
pub(crate) mod device;
mod exp;
pub(crate) mod ggml;
pub(crate) mod halves;
mod host;
pub(crate) mod k_quant;
pub(crate) mod linear;
pub(crate) mod lora;
pub(crate) mod matmul;
mod q8;
mod q8_kernel;
pub(crate) mod quantized;
pub(crate) mod rms_norm;
pub(crate) mod rope;
pub(crate) mod rounding;
mod simd;
pub(crate) mod swiglu;
mod widened;

#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod parity_tests;
#[cfg(test)]
pub(crate) mod test_device;
#[cfg(test)]
pub(crate) mod testing;
