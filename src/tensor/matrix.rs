//! An activation: a row-major matrix of f32 with one owner.
//!
//! On the CPU it is a buffer that kernels read and write as slices, and whose memory goes to the next matrix of its size
//! when it is dropped. On a card it is an array, of f32 or of the type that activations have there. For the oracle of
//! tests it is a tensor of candle's, which the composed forms of `ops::reference` work on.

use super::buffers::{self, Buffer};
use super::columns::CHUNK;
use super::device::Device;
use super::gpu;
use super::simd::vectorized;
use crate::error::{Code, Error, Result};
use crate::gpu::{Array, Element};
use candle_core::{DType, Tensor};
use rayon::prelude::*;
use std::ops::Range;

/// `[rows, cols]`, f32; activations on a card may be bf16.
#[derive(Debug)]
pub(crate) struct Matrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Host(Buffer),
    /// Contiguous, f32.
    Tensor(Tensor),
    /// f32 or bf16.
    Gpu(Array),
}

impl Matrix {
    /// What a kernel wrote to host memory.
    pub(crate) fn host(rows: usize, cols: usize, data: Buffer) -> Self {
        assert_eq!(rows * cols, data.len(), "a buffer of another size than its matrix");
        Matrix { rows, cols, data: Data::Host(data) }
    }

    /// What operators of candle made.
    pub(crate) fn of_tensor(tensor: &Tensor) -> Result<Self> {
        let (rows, cols) = tensor.dims2()?;
        Ok(Matrix { rows, cols, data: Data::Tensor(tensor.to_dtype(DType::F32)?.contiguous()?) })
    }

    /// What a kernel wrote to the memory of a card.
    pub(crate) fn of_array(rows: usize, cols: usize, array: Array) -> Self {
        assert_eq!(rows * cols, array.len(), "an array of another size than its matrix");
        Matrix { rows, cols, data: Data::Gpu(array) }
    }

    /// `values`, row by row, in the memory of `device`, as f32.
    pub(crate) fn new(rows: usize, cols: usize, values: Vec<f32>, device: &Device) -> Result<Self> {
        if rows.checked_mul(cols) != Some(values.len()) {
            return Err(Error::new(Code::Internal, format!("{} values for a matrix {rows} × {cols}", values.len())));
        }
        match (device.gpu(), device.candle()) {
            (Some(gpu), _) => Ok(Matrix::of_array(rows, cols, Array::upload_f32(gpu, &values)?)),
            (_, Some(device)) => Matrix::of_tensor(&Tensor::from_vec(values, (rows, cols), device)?),
            _ => Ok(Matrix::host(rows, cols, Buffer::of(values))),
        }
    }

    /// Zeros of f32 in the memory of `device`.
    pub(crate) fn zeros(rows: usize, cols: usize, device: &Device) -> Result<Self> {
        match (device.gpu(), device.candle()) {
            (Some(gpu), _) => Self::zeros_on(gpu, Element::F32, rows, cols),
            (_, Some(device)) => Matrix::of_tensor(&Tensor::zeros((rows, cols), DType::F32, device)?),
            _ => Ok(Matrix::host(rows, cols, Buffer::of(buffers::zeros(rows.saturating_mul(cols))?))),
        }
    }

    /// Zeros of the type that activations have on `device`.
    pub(crate) fn zero_activations(rows: usize, cols: usize, device: &Device) -> Result<Self> {
        match device.gpu() {
            Some(gpu) => Self::zeros_on(gpu, gpu.activation_type(), rows, cols),
            None => Self::zeros(rows, cols, device),
        }
    }

    /// Zeros of another matrix's shape and type, in the memory of its device.
    pub(crate) fn zeros_like(other: &Matrix) -> Result<Self> {
        match &other.data {
            Data::Gpu(array) => Self::zeros_on(array.gpu(), array.element(), other.rows, other.cols),
            Data::Host(_) | Data::Tensor(_) => Matrix::zeros(other.rows, other.cols, &other.device()),
        }
    }

    pub(super) fn zeros_on(gpu: &crate::gpu::Gpu, element: Element, rows: usize, cols: usize) -> Result<Self> {
        Ok(Matrix::of_array(rows, cols, Array::zeros(gpu, element, rows.saturating_mul(cols))?))
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// `(rows, columns)`
    pub(crate) fn shape(&self) -> (usize, usize) {
        (self.rows, self.cols)
    }

    /// Elements.
    pub(crate) fn len(&self) -> usize {
        self.rows * self.cols
    }

    /// Where it lives.
    pub(crate) fn device(&self) -> Device {
        match &self.data {
            Data::Host(_) => Device::host(),
            Data::Tensor(tensor) => Device::of(tensor),
            Data::Gpu(array) => Device::of_gpu(array.gpu()),
        }
    }

    /// The elements, if kernels on slices apply.
    pub(crate) fn as_slice(&self) -> Option<&[f32]> {
        match &self.data {
            Data::Host(data) => Some(data),
            Data::Tensor(_) | Data::Gpu(_) => None,
        }
    }

    /// The elements of an operand that must lie where the others do.
    pub(crate) fn slice(&self) -> Result<&[f32]> {
        self.as_slice().ok_or_else(|| apart(self.shape()))
    }

    /// The same, to be changed.
    pub(crate) fn slice_mut(&mut self) -> Result<&mut [f32]> {
        match &mut self.data {
            Data::Host(data) => Ok(data),
            Data::Tensor(_) | Data::Gpu(_) => Err(apart((self.rows, self.cols))),
        }
    }

    /// The array of a matrix on a card.
    pub(crate) fn array(&self) -> Result<&Array> {
        match &self.data {
            Data::Gpu(array) => Ok(array),
            Data::Host(_) | Data::Tensor(_) => Err(apart(self.shape())),
        }
    }

    /// The same, to be changed.
    pub(crate) fn array_mut(&mut self) -> Result<&mut Array> {
        match &mut self.data {
            Data::Gpu(array) => Ok(array),
            Data::Host(_) | Data::Tensor(_) => Err(apart((self.rows, self.cols))),
        }
    }

    /// The array itself.
    pub(crate) fn into_array(self) -> Result<Array> {
        match self.data {
            Data::Gpu(array) => Ok(array),
            Data::Host(_) | Data::Tensor(_) => Err(apart((self.rows, self.cols))),
        }
    }

    /// A copy of the type that activations have where it is; `None` if it is of that type.
    pub(crate) fn to_activation(&self) -> Result<Option<Matrix>> {
        match &self.data {
            Data::Gpu(array) => {
                let cast = array.in_type(array.gpu().activation_type())?;
                Ok(cast.map(|array| Matrix::of_array(self.rows, self.cols, array)))
            }
            Data::Host(_) | Data::Tensor(_) => Ok(None),
        }
    }

    /// Whether it is on a card.
    pub(crate) fn on_gpu(&self) -> bool {
        matches!(self.data, Data::Gpu(_))
    }

    /// Whether kernels on slices apply.
    pub(crate) fn on_host(&self) -> bool {
        matches!(self.data, Data::Host(_))
    }

    /// The tensor of candle's; of a matrix in host memory, a copy.
    pub(crate) fn tensor(&self) -> Result<Tensor> {
        match &self.data {
            Data::Host(data) => Ok(Tensor::from_slice(data, (self.rows, self.cols), &candle_core::Device::Cpu)?),
            Data::Tensor(tensor) => Ok(tensor.clone()),
            Data::Gpu(array) => {
                Ok(Tensor::from_vec(array.download_f32()?, (self.rows, self.cols), &candle_core::Device::Cpu)?)
            }
        }
    }

    /// A copy of the elements in host memory.
    pub(crate) fn values(&self) -> Result<Vec<f32>> {
        match &self.data {
            Data::Host(data) => {
                let mut values = crate::memory::reserved(data.len())?;
                values.extend_from_slice(data);
                Ok(values)
            }
            Data::Tensor(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
            Data::Gpu(array) => array.download_f32(),
        }
    }

    /// The elements in host memory.
    pub(crate) fn into_values(self) -> Result<Vec<f32>> {
        match self.data {
            Data::Host(data) => Ok(data.into_values()),
            Data::Tensor(tensor) => Ok(tensor.flatten_all()?.to_vec1()?),
            Data::Gpu(array) => array.download_f32(),
        }
    }

    /// A copy.
    pub(crate) fn duplicate(&self) -> Result<Self> {
        self.part(0..self.rows)
    }

    /// A copy of some rows.
    pub(crate) fn part(&self, rows: Range<usize>) -> Result<Self> {
        match &self.data {
            Data::Host(data) => {
                let mut out = buffers::take(rows.len() * self.cols)?;
                out.copy_from_slice(&data[rows.start * self.cols..rows.end * self.cols]);
                Ok(Matrix::host(rows.len(), self.cols, out))
            }
            Data::Tensor(tensor) => Matrix::of_tensor(&tensor.narrow(0, rows.start, rows.len())?.copy()?),
            Data::Gpu(array) => {
                let part = array.part(rows.start * self.cols..rows.end * self.cols)?;
                Ok(Matrix::of_array(rows.len(), self.cols, part))
            }
        }
    }

    /// `self + other`, element by element.
    pub(crate) fn add(&mut self, other: &Matrix) -> Result<()> {
        if self.shape() != other.shape() {
            let message = format!("sum of matrices of shapes {:?} and {:?}", self.shape(), other.shape());
            return Err(Error::new(Code::Internal, message));
        }
        match &mut self.data {
            Data::Host(data) => {
                data.par_chunks_mut(CHUNK).zip(other.slice()?.par_chunks(CHUNK)).for_each(|(to, from)| add(to, from));
            }
            Data::Tensor(tensor) => *tensor = (&*tensor + other.tensor()?)?,
            Data::Gpu(array) => gpu::add(array, other.array()?)?,
        }
        Ok(())
    }

    /// Adds `row`, of one row, to every row.
    pub(crate) fn add_row(&mut self, row: &Matrix) -> Result<()> {
        if row.shape() != (1, self.cols) {
            let message = format!("a row of shape {:?} added to {:?}", row.shape(), self.shape());
            return Err(Error::new(Code::Internal, message));
        }
        match &mut self.data {
            Data::Host(_) if self.cols == 0 => {}
            Data::Host(data) => {
                let row = row.slice()?;
                data.par_chunks_mut(row.len()).with_min_len(8).for_each(|to| add(to, row));
            }
            Data::Tensor(tensor) => *tensor = tensor.broadcast_add(&row.tensor()?)?,
            Data::Gpu(array) => gpu::add_row(array, row.array()?)?,
        }
        Ok(())
    }

    /// `self · factor`
    pub(crate) fn scale(&mut self, factor: f64) -> Result<()> {
        if factor == 1.0 {
            return Ok(());
        }
        match &mut self.data {
            Data::Host(data) => {
                let factor = factor as f32;
                data.par_chunks_mut(CHUNK).for_each(|data| data.iter_mut().for_each(|value| *value *= factor));
            }
            Data::Tensor(tensor) => *tensor = (&*tensor * factor)?,
            Data::Gpu(array) => gpu::scale(array, factor as f32)?,
        }
        Ok(())
    }

    /// Σ x² over all elements.
    pub(crate) fn sum_of_squares(&self) -> Result<f64> {
        match &self.data {
            Data::Gpu(array) => gpu::sum_of_squares(array),
            _ => Ok(f64::from(self.tensor()?.sqr()?.sum_all()?.to_scalar::<f32>()?)),
        }
    }

    /// Whether every element is a finite number.
    pub(crate) fn is_finite(&self) -> Result<bool> {
        match &self.data {
            Data::Host(data) => Ok(data.iter().all(|value| value.is_finite())),
            Data::Tensor(tensor) => Ok(tensor.abs()?.sum_all()?.to_scalar::<f32>()?.is_finite()),
            Data::Gpu(array) => gpu::is_finite(array),
        }
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    vectorized(
        #[inline(always)]
        || to.iter_mut().zip(from).for_each(|(to, from)| *to += from),
    );
}

fn apart(shape: (usize, usize)) -> Error {
    Error::new(Code::Internal, format!("the operands of an operator lie on two devices; one has the shape {shape:?}"))
}
