//! Rows and columns of matrices: picked, put back, cut, joined.

use super::buffers;
use super::columns::CHUNK;
use super::device::Device;
use super::gpu;
use super::matrix::{Data, Matrix};
use super::simd::vectorized;
use crate::error::{Code, Error, Result};
use crate::gpu::{Array, Gpu};
use candle_core::Tensor;
use rayon::prelude::*;
use std::ops::Range;

/// Which rows of a matrix, on a card.
#[derive(Debug)]
pub(crate) struct RowIndices {
    array: Array,
    /// One more than the largest.
    end: usize,
}

impl RowIndices {
    pub(crate) fn new(gpu: &Gpu, indices: &[u32]) -> Result<Self> {
        let end = indices.iter().max().map_or(0, |last| *last as usize + 1);
        Ok(RowIndices { array: Array::upload_u32(gpu, indices)?, end })
    }

    /// The indices, where as many rows can be written there.
    pub(crate) fn fitting(&self, rows: &Matrix, to: &Matrix) -> Result<&Array> {
        if rows.shape() == (self.array.len(), to.cols) && self.end <= to.rows {
            return Ok(&self.array);
        }
        let (count, end) = (self.array.len(), self.end);
        let message = format!("{:?} put into {count} rows up to {end} of {:?}", rows.shape(), to.shape());
        Err(Error::new(Code::Internal, message))
    }
}

impl Matrix {
    /// The rows of those indices.
    pub(crate) fn gather(&self, rows: &[u32]) -> Result<Matrix> {
        if let Some(row) = rows.iter().find(|row| **row as usize >= self.rows) {
            return Err(Error::new(Code::Internal, format!("row {row} of a matrix of {} rows", self.rows)));
        }
        match &self.data {
            Data::Host(data) => {
                let mut out = buffers::take(rows.len() * self.cols)?;
                for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.cols.max(1))) {
                    out.copy_from_slice(&data[row as usize * self.cols..][..self.cols]);
                }
                Ok(Matrix::host(rows.len(), self.cols, out))
            }
            Data::Tensor(tensor) => Matrix::of_tensor(&tensor.index_select(&Tensor::new(rows, tensor.device())?, 0)?),
            Data::Gpu(array) => Ok(Matrix::of_array(rows.len(), self.cols, gpu::gather(array, self.cols, rows)?)),
        }
    }

    /// The backward pass of [`Matrix::gather`]: a matrix of `total` rows with these where `rows` says, zeros elsewhere.
    pub(crate) fn scatter(&self, rows: &[u32], total: usize) -> Result<Matrix> {
        if let Data::Gpu(array) = &self.data {
            return Ok(Matrix::of_array(total, self.cols, gpu::scatter(array, self.cols, rows, total)?));
        }
        let mut all = Matrix::zeros(total, self.cols, &self.device())?;
        match &self.data {
            Data::Gpu(_) => Ok(all),
            Data::Host(data) => {
                let out = all.slice_mut()?;
                for (&row, from) in rows.iter().zip(data.chunks_exact(self.cols.max(1))) {
                    let to = &mut out[row as usize * self.cols..][..self.cols];
                    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
                }
                Ok(all)
            }
            Data::Tensor(tensor) => {
                Matrix::of_tensor(&all.tensor()?.index_add(&Tensor::new(rows, tensor.device())?, tensor, 0)?)
            }
        }
    }

    /// Writes `rows` over those from `first` on.
    pub(crate) fn set_rows(&mut self, first: usize, rows: &Matrix) -> Result<()> {
        if rows.cols != self.cols || first + rows.rows > self.rows {
            let message = format!("{:?} written at row {first} of {:?}", rows.shape(), self.shape());
            return Err(Error::new(Code::Internal, message));
        }
        let start = first * self.cols;
        match &mut self.data {
            Data::Host(data) => {
                let from = rows.slice()?;
                data[start..start + from.len()].copy_from_slice(from);
            }
            Data::Tensor(tensor) => tensor.slice_set(&rows.tensor()?, 0, first)?,
            Data::Gpu(array) => {
                let from = rows.array()?;
                match from.element() == array.element() {
                    true => array.copy_from(start, from, 0..from.len())?,
                    false => array.copy_from(start, &from.cast(array.element())?, 0..from.len())?,
                }
            }
        }
        Ok(())
    }

    /// Writes the rows of a matrix over those of these indices; both are on a card.
    pub(crate) fn put_rows(&mut self, indices: &RowIndices, rows: &Matrix) -> Result<()> {
        let (places, cols) = (indices.fitting(rows, self)?, self.cols);
        gpu::put_rows(self.array_mut()?, cols, places, rows.array()?)
    }

    /// Adds `scale · rows` to those from the first of `range` on.
    pub(crate) fn add_to_rows(&mut self, range: Range<usize>, rows: &Matrix, scale: f32) -> Result<()> {
        if rows.shape() != (range.len(), self.cols) || range.end > self.rows {
            let message = format!("{:?} added to rows {range:?} of {:?}", rows.shape(), self.shape());
            return Err(Error::new(Code::Internal, message));
        }
        let cols = self.cols;
        match &mut self.data {
            Data::Host(data) => {
                let to = data[range.start * cols..range.end * cols].par_chunks_mut(CHUNK);
                to.zip(rows.slice()?.par_chunks(CHUNK)).for_each(|(to, from)| {
                    vectorized(
                        #[inline(always)]
                        || to.iter_mut().zip(from).for_each(|(to, from)| *to += scale * from),
                    );
                });
            }
            Data::Tensor(tensor) => {
                let changed = (tensor.narrow(0, range.start, range.len())? + (rows.tensor()? * f64::from(scale))?)?;
                *tensor = tensor.slice_assign(&[range, 0..cols], &changed)?;
            }
            Data::Gpu(array) => gpu::add_scaled(array, range.start * cols, rows.array()?, scale)?,
        }
        Ok(())
    }

    /// Cuts the columns into matrices of those widths.
    pub(crate) fn split_columns(self, widths: &[usize]) -> Result<Vec<Matrix>> {
        if let [_] = widths {
            return Ok(vec![self]);
        }
        let mut start = 0;
        let mut cut = |&width: &usize| {
            start += width;
            self.columns(start - width, width)
        };
        widths.iter().map(&mut cut).collect()
    }

    fn columns(&self, first: usize, width: usize) -> Result<Matrix> {
        match &self.data {
            Data::Host(data) => {
                let mut out = buffers::take(self.rows * width)?;
                for (to, from) in out.chunks_exact_mut(width.max(1)).zip(data.chunks_exact(self.cols)) {
                    to.copy_from_slice(&from[first..first + width]);
                }
                Ok(Matrix::host(self.rows, width, out))
            }
            Data::Tensor(tensor) => Matrix::of_tensor(&tensor.narrow(1, first, width)?),
            Data::Gpu(array) => {
                let mut cut = Array::new(array.gpu(), array.element(), self.rows * width)?;
                gpu::copy_columns(&mut cut, width, 0, array, self.cols, first, width)?;
                Ok(Matrix::of_array(self.rows, width, cut))
            }
        }
    }

    /// Matrices of equally many rows, side by side.
    pub(crate) fn join_columns(mut parts: Vec<Matrix>) -> Result<Matrix> {
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        let (rows, cols) = (parts.first().map_or(0, Matrix::rows), parts.iter().map(Matrix::cols).sum());
        if let Some(Data::Gpu(like)) = parts.first().map(|part| &part.data) {
            let mut joined = Array::new(like.gpu(), like.element(), rows * cols)?;
            let mut start = 0;
            for part in &parts {
                gpu::copy_columns(&mut joined, cols, start, part.array()?, part.cols, 0, part.cols)?;
                start += part.cols;
            }
            return Ok(Matrix::of_array(rows, cols, joined));
        }
        if !parts.iter().all(Matrix::on_host) {
            let tensors = parts.iter().map(Matrix::tensor).collect::<Result<Vec<_>>>()?;
            return Matrix::of_tensor(&Tensor::cat(&tensors, 1)?);
        }
        let mut out = buffers::take(rows * cols)?;
        let mut start = 0;
        for part in &parts {
            let from = part.slice()?.chunks_exact(part.cols.max(1));
            for (to, from) in out.chunks_exact_mut(cols).zip(from) {
                to[start..start + part.cols].copy_from_slice(from);
            }
            start += part.cols;
        }
        Ok(Matrix::host(rows, cols, out))
    }

    /// Matrices of equally many columns, one below the other.
    pub(crate) fn join_rows(parts: &[&Matrix], device: &Device) -> Result<Matrix> {
        let cols = parts.first().map_or(0, |part| part.cols);
        let rows = parts.iter().map(|part| part.rows).sum();
        let mut joined = match parts.first().map(|part| &part.data) {
            Some(Data::Gpu(like)) => Matrix::of_array(rows, cols, Array::new(like.gpu(), like.element(), rows * cols)?),
            _ => Matrix::zeros(rows, cols, device)?,
        };
        let mut first = 0;
        for part in parts {
            joined.set_rows(first, part)?;
            first += part.rows;
        }
        Ok(joined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::testing::normal;

    #[test]
    fn rows_and_columns_come_back_on_every_device() {
        for device in [Device::host(), Device::reference()] {
            let x = normal(5, 7, 1).to(&device).unwrap();
            let picked = x.gather(&[3, 0]).unwrap();
            assert_eq!(picked.values().unwrap()[..7], x.values().unwrap()[21..28]);
            let put = picked.scatter(&[3, 0], 5).unwrap().values().unwrap();
            assert_eq!((&put[21..28], &put[7..14]), (&x.values().unwrap()[21..28], &[0.0; 7][..]));
            let parts = x.duplicate().unwrap().split_columns(&[2, 5]).unwrap();
            assert_eq!(parts.iter().map(Matrix::shape).collect::<Vec<_>>(), [(5, 2), (5, 5)]);
            assert_eq!(Matrix::join_columns(parts).unwrap().values().unwrap(), x.values().unwrap());
            let parts = [x.part(0..2).unwrap(), x.part(2..5).unwrap()];
            let joined = Matrix::join_rows(&parts.iter().collect::<Vec<_>>(), &device).unwrap();
            assert_eq!(joined.values().unwrap(), x.values().unwrap());
            assert!(x.gather(&[5]).is_err());
            assert!(x.duplicate().unwrap().set_rows(4, &parts[0]).is_err());
        }
    }
}
