//! Matrices of activations, the memory they live in, and the device that this memory belongs to.
#![allow(unsafe_code)]

mod bf16;
#[cfg(target_arch = "x86_64")]
mod bf16_tiles;
pub(crate) mod buffers;
pub(crate) mod columns;
mod compact;
mod device;
mod eight_bits;
mod element;
pub(crate) mod exp;
mod f16;
mod form;
pub(crate) mod gemm;
mod gpu;
mod gpu_products;
mod held;
mod matrix;
mod product;
pub(crate) mod rounding;
mod rows;
pub(crate) mod rows_apart;
pub(crate) mod simd;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use bf16::Bf16Matrix;
#[cfg(target_arch = "x86_64")]
pub(crate) use bf16_tiles::Bf16Tiles;
pub(crate) use buffers::Buffer;
pub(crate) use compact::CompactMatrix;
pub use device::DeviceChoice;
pub(crate) use device::{Device, available_devices, cuda_problem};
pub(crate) use eight_bits::EightBits;
pub(crate) use element::{Element, Rounded};
pub(crate) use form::Form;
pub(crate) use matrix::Matrix;
pub(crate) use rows::RowIndices;
