//! Matrix products in the four forms that forward and backward passes need.

use super::buffers;
use super::host::{self, View};
use super::simd::vectorized;
use crate::error::{Code, Error, Result};
use candle_core::{Device, Tensor};
use gemm::Parallelism;
use rayon::prelude::*;

/// A borrowed matrix with strides, in elements.
#[derive(Clone, Copy)]
pub(crate) struct Mat<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Mat<'a> {
    /// A row-major matrix.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// Rows `row_stride` elements apart, as one head of a `[tokens, heads · head_dim]` matrix.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= data.len(), "matrix exceeds its slice");
        Mat { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose; nothing moves.
    pub(crate) fn t(self) -> Self {
        Mat { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride, ..self }
    }
}

/// All threads of the current pool.
pub(crate) fn all_threads() -> Parallelism {
    match rayon::current_num_threads() {
        0 | 1 => Parallelism::None,
        n => Parallelism::Rayon(n),
    }
}

/// Bytes of the slab for packed operands that `gemm` keeps for each thread: as many as its L2 cache has.
pub(crate) fn slab_bytes() -> u64 {
    gemm_common::cache::CACHE_INFO[1].cache_bytes as u64
}

/// `dst = beta · lhs · rhs`, or `dst += …` with `accumulate`. `dst` is row-major with rows `dst_stride` apart.
pub(crate) fn gemm(
    dst: &mut [f32],
    dst_stride: usize,
    accumulate: bool,
    lhs: Mat<'_>,
    rhs: Mat<'_>,
    beta: f32,
    parallelism: Parallelism,
) {
    let (m, n, k) = (lhs.rows, rhs.cols, lhs.cols);
    assert_eq!(k, rhs.rows, "inner dimensions of a product");
    if m == 0 || n == 0 {
        return;
    }
    assert!((m - 1) * dst_stride + n <= dst.len(), "product exceeds its destination");
    // SAFETY: `Mat`'s constructor and the assertion above keep every index inside the three slices; `dst` is borrowed
    // mutably, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            dst_stride as isize,
            accumulate,
            lhs.data.as_ptr(),
            lhs.col_stride as isize,
            lhs.row_stride as isize,
            rhs.data.as_ptr(),
            rhs.col_stride as isize,
            rhs.row_stride as isize,
            1.0,
            beta,
            false,
            false,
            false,
            parallelism,
        );
    }
}

/// Which operand of a product is taken transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `a · b`
    NN,
    /// `a · bᵀ`: activations times a weight stored `[out, in]`.
    NT,
    /// `aᵀ · b`: the gradient of a weight.
    TN,
}

impl Form {
    fn shape(self, a: (usize, usize), b: (usize, usize)) -> Result<(usize, usize)> {
        let (rows, inner_a, inner_b, cols) = match self {
            Form::NN => (a.0, a.1, b.0, b.1),
            Form::NT => (a.0, a.1, b.1, b.0),
            Form::TN => (a.1, a.0, b.0, b.1),
        };
        if inner_a != inner_b {
            return Err(Error::new(Code::Internal, format!("product {self:?} of {a:?} and {b:?}: shapes do not fit")));
        }
        Ok((rows, cols))
    }

    fn operands<'a>(self, a: &'a [f32], ad: (usize, usize), b: &'a [f32], bd: (usize, usize)) -> (Mat<'a>, Mat<'a>) {
        let (a, b) = (Mat::new(a, ad.0, ad.1), Mat::new(b, bd.0, bd.1));
        match self {
            Form::NN => (a, b),
            Form::NT => (a, b.t()),
            Form::TN => (a.t(), b),
        }
    }

    fn composed(self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Form::NN => a.matmul(b)?,
            Form::NT => a.matmul(&b.t()?)?,
            Form::TN => a.t()?.matmul(b)?,
        })
    }
}

/// The product of two matrices.
pub(crate) fn product(form: Form, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (ad, bd) = (a.dims2()?, b.dims2()?);
    let (rows, cols) = form.shape(ad, bd)?;
    if !(host::applies(a) && host::applies(b)) {
        return form.composed(a, b);
    }
    let (av, bv) = (View::of(a)?, View::of(b)?);
    let (lhs, rhs) = form.operands(&av, ad, &bv, bd);
    let mut out = buffers::take(rows * cols)?;
    gemm(&mut out, cols, false, lhs, rhs, 1.0, all_threads());
    host::tensor(out, rows, cols)
}

/// `dst + scale · product(form, a, b)`, in the memory of `dst` where it lies on the host.
///
/// Takes `dst` by value: on the host its buffer is changed, so the caller must hold the only use of it.
pub(crate) fn add_product(dst: Tensor, form: Form, a: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    if !(host::applies(&dst) && host::applies(a) && host::applies(b)) {
        return Ok((dst + (form.composed(a, b)? * scale)?)?);
    }
    let (ad, bd) = (a.dims2()?, b.dims2()?);
    let (rows, cols) = form.shape(ad, bd)?;
    if (rows, cols) != dst.dims2()? {
        let message = format!("product of shape {:?} added to {:?}", (rows, cols), dst.shape());
        return Err(Error::new(Code::Internal, message));
    }
    let (av, bv) = (View::of(a)?, View::of(b)?);
    let (lhs, rhs) = form.operands(&av, ad, &bv, bd);
    let mut out = host::into_vec(dst)?;
    gemm(&mut out, cols, true, lhs, rhs, scale as f32, all_threads());
    host::tensor(out, rows, cols)
}

/// `dst + other`, in the memory of `dst` where it lies on the host; the same caution as [`add_product`].
pub(crate) fn add(dst: Tensor, other: &Tensor) -> Result<Tensor> {
    if host::applies(&dst) && host::applies(other) && dst.dims() == other.dims() {
        return add_repeated(dst, other, 1 << 14);
    }
    Ok((dst + other)?)
}

/// `dst [rows, n] + row [n]`, in the memory of `dst` where it lies on the host; the same caution as [`add_product`].
pub(crate) fn add_to_rows(dst: Tensor, row: &Tensor) -> Result<Tensor> {
    if host::applies(&dst) && host::applies(row) && dst.dims().last() == row.dims().last() && row.elem_count() > 0 {
        return add_repeated(dst, row, row.elem_count());
    }
    Ok(dst.broadcast_add(row)?)
}

/// `dst[i] += src[i % src.len()]`, `period` elements at a time.
fn add_repeated(dst: Tensor, src: &Tensor, period: usize) -> Result<Tensor> {
    let shape = dst.shape().clone();
    let src = View::of(src)?;
    let src: &[f32] = &src;
    let mut out = host::into_vec(dst)?;
    let add = |(dst, src): (&mut [f32], &[f32])| {
        vectorized(
            #[inline(always)]
            || dst.iter_mut().zip(src).for_each(|(dst, src)| *dst += src),
        );
    };
    if out.len() == src.len() {
        out.par_chunks_mut(period).zip(src.par_chunks(period)).for_each(add);
    } else {
        out.par_chunks_mut(period).with_min_len(8).for_each(|dst| add((dst, src)));
    }
    Ok(Tensor::from_vec(out, shape, &Device::Cpu)?)
}
