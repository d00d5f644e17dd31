//! Tensors as slices: how the CPU kernels see their operands.

use crate::error::{Code, Error, Result};
use candle_core::{CpuStorage, DType, Device, Storage, StorageRef, Tensor};
use std::ops::Deref;

/// Whether the CPU kernels apply; every other tensor takes the composed path.
pub(super) fn applies(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// A read-locked contiguous f32 tensor in host memory.
pub(super) struct View<'a> {
    storage: StorageRef<'a>,
    start: usize,
    len: usize,
}

impl<'a> View<'a> {
    /// Fails, as a defect of ours, on a tensor that is not f32, contiguous and in host memory.
    pub(super) fn of(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let span = layout.contiguous_offsets();
        let is_f32 = matches!(&*storage, Storage::Cpu(CpuStorage::F32(_)));
        match span {
            Some((start, end)) if is_f32 => Ok(View { storage, start, len: end - start }),
            _ => Err(Error::new(
                Code::Internal,
                format!(
                    "kernel operand {:?} {:?} is not contiguous f32 in host memory",
                    tensor.dtype(),
                    tensor.shape()
                ),
            )),
        }
    }
}

impl Deref for View<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(data)) => &data[self.start..self.start + self.len],
            _ => &[],
        }
    }
}

/// A host tensor from the vector a kernel filled; no copy.
pub(super) fn tensor(data: Vec<f32>, rows: usize, cols: usize) -> Result<Tensor> {
    Ok(Tensor::from_vec(data, (rows, cols), &Device::Cpu)?)
}

/// Rows per parallel task, such that a task is worth its hand-over (about 16 k elements).
pub(super) fn rows_per_task(cols: usize) -> usize {
    (1 << 14) / cols.max(1) + 1
}

/// A row-major matrix into which tasks write disjoint blocks of rows and columns.
pub(super) struct Columns {
    data: *mut f32,
    len: usize,
    stride: usize,
}

// SAFETY: each task of the parallel loops that use it writes rows and columns of its own (a span and a head, a tile of
// outputs), so no element has two writers, and the vector outlives the loop.
unsafe impl Sync for Columns {}

impl Columns {
    /// The matrix in `data`, rows `stride` apart.
    pub(super) fn of(data: &mut [f32], stride: usize) -> Self {
        Columns { data: data.as_mut_ptr(), len: data.len(), stride }
    }

    /// Writes `block`, rows of `width`, at a row and column. No two tasks may write the same element.
    pub(super) fn write(&self, row: usize, column: usize, width: usize, block: &[f32]) {
        for (i, values) in block.chunks_exact(width).enumerate() {
            let start = (row + i) * self.stride + column;
            assert!(start + width <= self.len, "block exceeds its matrix");
            // SAFETY: inside the matrix by the assertion; disjoint from other writers as said at `Sync`.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.data.add(start), width) };
        }
    }
}
