//! Products of matrices in the memory of a card.

use super::product::Product;
use super::{Array, Element};
use crate::error::{Code, Error, Result};

/// `C[m, n] = alpha · op(A) · op(B) + beta · C`, row-major. A and B are of one type, f32 or bf16, and C of either; sums are
/// in f32. `lda`, `ldb` and `ldc` are elements from row to row, and each array comes with the index of its first element.
pub(crate) struct Gemm<'a> {
    pub(crate) m: usize,
    pub(crate) n: usize,
    pub(crate) k: usize,
    /// Whether A is stored `[k, m]`.
    pub(crate) transpose_a: bool,
    /// Whether B is stored `[n, k]`.
    pub(crate) transpose_b: bool,
    pub(crate) alpha: f32,
    pub(crate) beta: f32,
    pub(crate) a: (&'a Array, usize),
    pub(crate) lda: usize,
    pub(crate) b: (&'a Array, usize),
    pub(crate) ldb: usize,
    pub(crate) c: (&'a mut Array, usize),
    pub(crate) ldc: usize,
}

impl Gemm<'_> {
    pub(super) fn checked(self) -> Result<Product> {
        let stored = |transpose: bool, rows, cols| if transpose { (cols, rows) } else { (rows, cols) };
        within("A", self.a.0, self.a.1, stored(self.transpose_a, self.m, self.k), self.lda)?;
        within("B", self.b.0, self.b.1, stored(self.transpose_b, self.k, self.n), self.ldb)?;
        within("C", self.c.0, self.c.1, (self.m, self.n), self.ldc)?;
        let (operands, result) = (self.a.0.element(), self.c.0.element());
        let float = |element| matches!(element, Element::F32 | Element::Bf16);
        if operands != self.b.0.element() || !float(operands) || !float(result) {
            let types = [operands, self.b.0.element(), result].map(Element::name);
            return Err(Error::new(Code::Internal, format!("a product of types {types:?}")));
        }
        Ok(Product {
            m: self.m,
            n: self.n,
            k: self.k,
            transpose_a: self.transpose_a,
            transpose_b: self.transpose_b,
            alpha: self.alpha,
            beta: self.beta,
            a: self.a.0.address_of(self.a.1),
            lda: self.lda,
            b: self.b.0.address_of(self.b.1),
            ldb: self.ldb,
            c: self.c.0.address_of(self.c.1),
            ldc: self.ldc,
            operands,
            result,
        })
    }
}

fn within(what: &str, array: &Array, first: usize, (rows, cols): (usize, usize), stride: usize) -> Result<()> {
    let end = rows.checked_sub(1).map_or(0, |last| first + last * stride + cols);
    if cols <= stride && end <= array.len() {
        return Ok(());
    }
    let message = format!("{what} {rows} × {cols}, a row each {stride} from {first}, in an array of {}", array.len());
    Err(Error::new(Code::Internal, message))
}
