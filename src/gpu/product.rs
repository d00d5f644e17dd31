//! A product as a card is asked for it.

use super::element::Element;

/// A [`super::Gemm`] that was checked: addresses of operands that lie within their arrays.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Product {
    pub(super) m: usize,
    pub(super) n: usize,
    pub(super) k: usize,
    pub(super) transpose_a: bool,
    pub(super) transpose_b: bool,
    pub(super) alpha: f32,
    pub(super) beta: f32,
    pub(super) a: u64,
    pub(super) lda: usize,
    pub(super) b: u64,
    pub(super) ldb: usize,
    pub(super) c: u64,
    pub(super) ldc: usize,
    /// Of A and B.
    pub(super) operands: Element,
    /// Of C.
    pub(super) result: Element,
}
