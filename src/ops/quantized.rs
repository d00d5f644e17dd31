//! A frozen weight kept in 8 bits: its products, and those of its transpose for the backward pass.

use super::ggml;
use super::host::{self, View};
use super::q8::Packed;
use super::q8_kernel::Kernel;
use super::widened::{self, Rows};
use crate::error::{Code, Error, Result};
use candle_core::Tensor;
use candle_core::quantized::GgmlDType;
use once_cell::sync::OnceCell;

/// A weight in Q8_0, `[out_features, in_features]`.
#[derive(Debug)]
pub(crate) struct Q8Weight {
    packed: Packed,
    /// Quantized along the outputs for the backward pass; made when training first needs it.
    transposed: OnceCell<Packed>,
    /// Products of integers, where the CPU has them and they were not turned off; else the weight is widened to f32.
    kernel: Option<Kernel>,
}

impl Q8Weight {
    /// Quantizes a dense f32 host tensor. With `exact`, products are those of the dequantized weight to f32 rounding.
    pub(crate) fn new(weight: &Tensor, exact: bool) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let view = View::of(weight)?;
        let values: &[f32] = &view;
        let packed =
            Packed::quantize(outputs, inputs, |row, out| out.copy_from_slice(&values[row * inputs..][..inputs]))?;
        Ok(Self::with(packed, exact))
    }

    /// A weight as GGML stores it, with the same integers: row `i` is `row(i)`.
    pub(crate) fn from_rows<'a>(
        [outputs, inputs]: [usize; 2],
        row: impl Fn(usize) -> Result<&'a [u8]>,
        exact: bool,
    ) -> Result<Self> {
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
        Q8Weight { packed, transposed: OnceCell::new(), kernel }
    }

    /// `(out_features, in_features)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        self.packed.shape()
    }

    /// Whether products are those of integers.
    pub(crate) fn has_integer_products(&self) -> bool {
        self.kernel.is_some()
    }

    /// Bytes held; for `training`, with the transpose if the backward pass will make one.
    pub(crate) fn bytes(&self, training: bool) -> u64 {
        let copies = if training && self.has_integer_products() { 2 } else { 1 };
        copies * self.packed.bytes() as u64
    }

    /// `x [rows, in]` → `x Wᵀ`.
    pub(crate) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.shape();
        let rows = widened::check(x, inputs)?;
        let view = View::of(x)?;
        let y = match self.kernel {
            Some(kernel) => self.packed.product_i8(kernel, &view, rows)?,
            None => widened::product(&self.packed, &view, rows)?,
        };
        host::tensor(y, rows, outputs)
    }

    /// `dy [rows, out]` → `dy W`.
    pub(crate) fn backward(&self, dy: &Tensor) -> Result<Tensor> {
        let (outputs, inputs) = self.shape();
        let rows = widened::check(dy, outputs)?;
        let view = View::of(dy)?;
        let dx = match self.kernel {
            Some(kernel) => {
                self.transposed.get_or_try_init(|| self.packed.transposed())?.product_i8(kernel, &view, rows)?
            }
            None => widened::transposed_product(&self.packed, &view, rows)?,
        };
        host::tensor(dx, rows, inputs)
    }

    /// Rows of the weight, widened: the lookup of an embedding.
    pub(crate) fn rows(&self, ids: &[u32]) -> Result<Tensor> {
        widened::gather(&self.packed, ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{assert_close, flat, normal, relative_error};

    /// Odd sizes: partial tiles and blocks on both sides.
    const SHAPES: [(usize, usize, usize); 4] = [(7, 100, 50), (1, 33, 31), (200, 64, 96), (5, 32, 1)];

    fn dequantized(weight: &Q8Weight) -> Tensor {
        weight.rows(&(0..weight.shape().0 as u32).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn exact_products_are_those_of_the_dequantized_weight() {
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, dy) = (normal((rows, inputs), 1), normal((outputs, inputs), 2), normal((rows, outputs), 3));
            let q = Q8Weight::new(&w, true).unwrap();
            let dense = dequantized(&q);
            assert!(relative_error(&dense, &w) < 5e-3);
            assert_close(&q.forward(&x).unwrap(), &x.matmul(&dense.t().unwrap()).unwrap(), 1e-5);
            assert_close(&q.backward(&dy).unwrap(), &dy.matmul(&dense).unwrap(), 1e-5);
        }
    }

    #[test]
    fn integer_products_are_close_and_deterministic() {
        if Kernel::detect().is_none() {
            eprintln!("SKIPPED: integer_products_are_close_and_deterministic: this CPU has no AVX-512 VNNI");
            return;
        }
        for (rows, inputs, outputs) in SHAPES {
            let (x, w, dy) = (normal((rows, inputs), 1), normal((outputs, inputs), 2), normal((rows, outputs), 3));
            let (fast, exact) = (Q8Weight::new(&w, false).unwrap(), Q8Weight::new(&w, true).unwrap());
            let y = fast.forward(&x).unwrap();
            assert_close(&y, &exact.forward(&x).unwrap(), 2e-2);
            assert_close(&fast.backward(&dy).unwrap(), &exact.backward(&dy).unwrap(), 2e-2);
            assert_eq!(flat(&y), flat(&fast.forward(&x).unwrap()));
        }
    }

    #[test]
    fn integers_that_fit_are_multiplied_exactly() {
        // Multiples of 1/127 of a largest value that every block has: quantization loses nothing.
        let values = |rows: usize, cols: usize, step: usize| {
            let data: Vec<f32> =
                (0..rows * cols).map(|i| if i % 32 == 0 { 127.0 } else { ((i * step) % 255) as f32 - 127.0 }).collect();
            Tensor::from_vec(data, (rows, cols), &candle_core::Device::Cpu).unwrap()
        };
        let (x, w) = (values(13, 64, 7), values(40, 64, 11));
        let expected = x.matmul(&w.t().unwrap()).unwrap();
        for exact in [false, true] {
            assert_close(&Q8Weight::new(&w, exact).unwrap().forward(&x).unwrap(), &expected, 1e-6);
        }
    }

    #[test]
    fn a_number_that_is_not_one_stays_visible() {
        let mut data = vec![1.0f32; 64];
        data[40] = f32::NAN;
        let x = Tensor::from_vec(data, (1, 64), &candle_core::Device::Cpu).unwrap();
        for exact in [false, true] {
            let y = Q8Weight::new(&normal((3, 64), 1), exact).unwrap().forward(&x).unwrap();
            assert!(flat(&y).iter().all(|v| v.is_nan()), "{y}");
        }
    }

    #[test]
    fn a_weight_takes_nine_bits_and_the_transpose_is_made_only_for_training() {
        let q = Q8Weight::new(&normal((64, 128), 1), false).unwrap();
        assert_eq!(q.packed.bytes() * 8, 64 * 128 * 9);
        q.forward(&normal((2, 128), 2)).unwrap();
        assert!(q.transposed.get().is_none());
    }
}
