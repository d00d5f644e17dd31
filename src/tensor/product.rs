//! Products of activations in the forms that forward and backward passes need.

use super::buffers;
use super::form::Form;
use super::gemm::{all_threads, gemm};
use super::gpu_products;
use super::matrix::{Data, Matrix};
use crate::error::{Code, Error, Result};
use std::ops::Range;

impl Matrix {
    /// The product of two matrices.
    pub(crate) fn product(form: Form, a: &Matrix, b: &Matrix) -> Result<Matrix> {
        Matrix::product_of_rows(form, a, 0..a.rows, b)
    }

    /// `scale ·` the product.
    pub(crate) fn scaled_product(form: Form, a: &Matrix, b: &Matrix, scale: f64) -> Result<Matrix> {
        if let Data::Gpu(array) = &a.data {
            let (rows, cols) = form.shape(a.shape(), b.shape())?;
            let (a, b) = ((array, 0, a.shape()), (b.array()?, 0, b.shape()));
            return Ok(Matrix::of_array(rows, cols, gpu_products::product(form, a, b, scale as f32)?));
        }
        let mut product = Matrix::product(form, a, b)?;
        product.scale(scale)?;
        Ok(product)
    }

    /// The product of some rows of `a` with `b`.
    pub(crate) fn product_of_rows(form: Form, a: &Matrix, rows: Range<usize>, b: &Matrix) -> Result<Matrix> {
        let shape = (rows.len(), a.cols);
        let (out_rows, out_cols) = form.shape(shape, b.shape())?;
        if let Data::Gpu(array) = &a.data {
            let product =
                gpu_products::product(form, (array, rows.start * a.cols, shape), (b.array()?, 0, b.shape()), 1.0)?;
            return Ok(Matrix::of_array(out_rows, out_cols, product));
        }
        let Some(values) = a.as_slice() else {
            return Matrix::of_tensor(&form.composed(&a.tensor()?.narrow(0, rows.start, rows.len())?, &b.tensor()?)?);
        };
        let (lhs, rhs) = form.operands(&values[rows.start * a.cols..rows.end * a.cols], shape, b.slice()?, b.shape());
        let mut out = buffers::take(out_rows * out_cols)?;
        gemm(&mut out, out_cols, false, lhs, rhs, 1.0, all_threads());
        Ok(Matrix::host(out_rows, out_cols, out))
    }

    /// Adds `scale · product(form, a, b)`.
    pub(crate) fn add_product(&mut self, form: Form, a: &Matrix, b: &Matrix, scale: f64) -> Result<()> {
        self.add_product_to_rows(0..self.rows, form, a, b, scale)
    }

    /// Adds `scale · product(form, a, b)` to some of the rows.
    pub(crate) fn add_product_to_rows(
        &mut self,
        rows: Range<usize>,
        form: Form,
        a: &Matrix,
        b: &Matrix,
        scale: f64,
    ) -> Result<()> {
        let shape = form.shape(a.shape(), b.shape())?;
        if shape != (rows.len(), self.cols) || rows.end > self.rows {
            let message = format!("product of shape {shape:?} added to rows {rows:?} of {:?}", self.shape());
            return Err(Error::new(Code::Internal, message));
        }
        let (all, cols) = (self.rows, self.cols);
        match &mut self.data {
            Data::Host(data) => {
                let (lhs, rhs) = form.operands(a.slice()?, a.shape(), b.slice()?, b.shape());
                let out = &mut data[rows.start * cols..rows.end * cols];
                gemm(out, cols, true, lhs, rhs, scale as f32, all_threads());
            }
            Data::Tensor(tensor) => {
                let product = (form.composed(&a.tensor()?, &b.tensor()?)? * scale)?;
                *tensor = if rows.len() == all {
                    (&*tensor + product)?
                } else {
                    let changed = (tensor.narrow(0, rows.start, rows.len())? + product)?;
                    tensor.slice_assign(&[rows, 0..cols], &changed)?
                };
            }
            Data::Gpu(array) => {
                let first = rows.start * cols;
                let (a, b) = ((a.array()?, 0, a.shape()), (b.array()?, 0, b.shape()));
                gpu_products::add_product(array, first, form, a, b, scale as f32)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Device;
    use crate::tensor::testing::{assert_close, normal};

    #[test]
    fn a_product_of_rows_is_added_to_those_rows_on_every_device() {
        for device in [Device::host(), Device::reference()] {
            let [x, b, mut y] = [normal(6, 3, 1), normal(4, 3, 2), normal(6, 4, 3)].map(|m| m.to(&device).unwrap());
            let before = y.duplicate().unwrap();
            let part = Matrix::product_of_rows(Form::NT, &x, 2..5, &b).unwrap();
            let whole = Matrix::product(Form::NT, &x, &b).unwrap();
            assert_close(&part, &whole.part(2..5).unwrap(), 1e-6);
            y.add_product_to_rows(2..5, Form::NT, &x.part(2..5).unwrap(), &b, 0.5).unwrap();
            let mut expected = before.part(2..5).unwrap();
            let mut half = part;
            half.scale(0.5).unwrap();
            expected.add(&half).unwrap();
            assert_close(&y.part(2..5).unwrap(), &expected, 1e-6);
            assert_eq!(y.part(0..2).unwrap().values().unwrap(), before.part(0..2).unwrap().values().unwrap());
            assert!(y.add_product(Form::NN, &x, &b, 1.0).is_err());
        }
    }
}
