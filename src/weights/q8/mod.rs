//! A frozen weight kept in 8 bits: its products, and those of its transpose for the backward pass.

mod pack;
mod tile;
mod vnni;

use super::dequantized::{self, Rows};
use super::ggml::{self, GgmlDType};
use super::{FrozenMatrix, Purpose, RowBytes, WeightType};
use crate::error::{Code, Error, Result};
use crate::tensor::Matrix;
use once_cell::sync::OnceCell;
use pack::Packed;
use std::sync::Arc;
use vnni::Kernel;

/// GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.
pub(super) static Q8_0: WeightType = WeightType {
    name: "q8_0",
    description: "GGML's Q8_0: blocks of 32 weights in 8 bits with a scale.",
    ggml: GgmlDType::Q8_0,
    // The last block of a row may be short.
    block: 1,
    head: "q8_0",
    quantize: |shape, values, exact| Ok(Arc::new(Q8Matrix::quantize(shape, values, exact)?)),
    from_rows: |shape, row, exact| Ok(Arc::new(Q8Matrix::from_rows(shape, row, exact)?)),
};

/// A weight in Q8_0, `[out_features, in_features]`.
#[derive(Debug)]
struct Q8Matrix {
    packed: Packed,
    /// Quantized along the outputs for the backward pass; made when training first needs it.
    transposed: OnceCell<Packed>,
    /// Products of integers, where the CPU has them and they were not turned off; else the weight is dequantized to f32.
    kernel: Option<Kernel>,
}

impl Q8Matrix {
    fn quantize([outputs, inputs]: [usize; 2], values: &[f32], exact: bool) -> Result<Self> {
        let row = |row: usize, out: &mut [f32]| out.copy_from_slice(&values[row * inputs..][..inputs]);
        Ok(Self::with(Packed::quantize(outputs, inputs, row)?, exact))
    }

    /// The same integers as those stored.
    fn from_rows([outputs, inputs]: [usize; 2], row: &RowBytes<'_>, exact: bool) -> Result<Self> {
        let expected = ggml::row_bytes(GgmlDType::Q8_0, inputs);
        let rows = (0..outputs).map(row).collect::<Result<Vec<_>>>()?;
        if let Some(row) = rows.iter().find(|row| Some(row.len()) != expected) {
            let message = format!("a row of {inputs} weights has {} bytes; expected {expected:?}", row.len());
            return Err(Error::new(Code::Internal, message));
        }
        Ok(Self::with(Packed::from_rows(outputs, inputs, |index| rows[index])?, exact))
    }

    fn with(packed: Packed, exact: bool) -> Self {
        let kernel = if exact { None } else { Kernel::detect() };
        Q8Matrix { packed, transposed: OnceCell::new(), kernel }
    }
}

impl FrozenMatrix for Q8Matrix {
    fn shape(&self) -> (usize, usize) {
        self.packed.shape()
    }

    fn type_name(&self) -> &'static str {
        Q8_0.name
    }

    /// With the transpose if the backward pass will make one.
    fn bytes(&self, purpose: Purpose) -> u64 {
        let copies = if purpose == Purpose::Training && self.has_integer_products() { 2 } else { 1 };
        copies * self.packed.bytes() as u64
    }

    fn product(&self, x: &Matrix) -> Result<Matrix> {
        let (outputs, inputs) = self.shape();
        let (x, rows) = dequantized::operand(x, inputs)?;
        let y = match self.kernel {
            Some(kernel) => self.packed.product_i8(kernel, x, rows)?,
            None => dequantized::product(&self.packed, x, rows)?,
        };
        Ok(Matrix::host(rows, outputs, y))
    }

    fn transposed_product(&self, dy: &Matrix) -> Result<Matrix> {
        let (outputs, inputs) = self.shape();
        let (dy, rows) = dequantized::operand(dy, outputs)?;
        let dx = match self.kernel {
            Some(kernel) => {
                self.transposed.get_or_try_init(|| self.packed.transposed())?.product_i8(kernel, dy, rows)?
            }
            None => dequantized::transposed_product(&self.packed, dy, rows)?,
        };
        Ok(Matrix::host(rows, inputs, dx))
    }

    fn gather(&self, ids: &[u32]) -> Result<Matrix> {
        dequantized::gather(&self.packed, ids)
    }

    fn has_integer_products(&self) -> bool {
        self.kernel.is_some()
    }

    fn workspace_bytes(&self) -> u64 {
        if self.has_integer_products() { 0 } else { dequantized::group_bytes(self.shape()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::testing::{assert_close, flat, normal};
    use crate::tensor::{Device, Form};

    fn quantized(weight: &Matrix, exact: bool) -> Q8Matrix {
        Q8Matrix::quantize([weight.rows(), weight.cols()], weight.slice().unwrap(), exact).unwrap()
    }

    #[test]
    fn integer_products_are_deterministic() {
        if Kernel::detect().is_none() {
            eprintln!("SKIPPED: integer_products_are_deterministic: this CPU has no AVX-512 VNNI");
            return;
        }
        let (x, w) = (normal(7, 100, 1), normal(50, 100, 2));
        let fast = quantized(&w, false);
        assert_eq!(flat(&fast.product(&x).unwrap()), flat(&fast.product(&x).unwrap()));
    }

    #[test]
    fn integers_that_fit_are_multiplied_exactly() {
        // Multiples of 1/127 of a largest value that every block has: quantization loses nothing.
        let values = |rows: usize, cols: usize, step: usize| {
            let value = |i: usize| if i.is_multiple_of(32) { 127.0 } else { ((i * step) % 255) as f32 - 127.0 };
            Matrix::new(rows, cols, (0..rows * cols).map(value).collect(), &Device::host()).unwrap()
        };
        let (x, w) = (values(13, 64, 7), values(40, 64, 11));
        let expected = Matrix::product(Form::NT, &x, &w).unwrap();
        for exact in [false, true] {
            assert_close(&quantized(&w, exact).product(&x).unwrap(), &expected, 1e-6);
        }
    }

    #[test]
    fn a_weight_takes_nine_bits_and_the_transpose_is_made_only_for_training() {
        let q = quantized(&normal(64, 128, 1), false);
        assert_eq!(q.bytes(Purpose::Inference) * 8, 64 * 128 * 9);
        q.product(&normal(2, 128, 2)).unwrap();
        assert!(q.transposed.get().is_none());
    }
}
