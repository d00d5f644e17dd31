//! Tensors as slices: how the CPU kernels see their operands.

use crate::error::{Code, Error, Result};
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Storage, StorageRef, Tensor};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

/// Whether the CPU kernels apply; every other tensor takes the composed path.
pub(super) fn applies(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && !reference_is_forced()
}

#[cfg(test)]
use super::test_device::reference_is_forced;

#[cfg(not(test))]
fn reference_is_forced() -> bool {
    false
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
            Some((start, end)) if is_f32 && end <= len_of(&storage) => Ok(View { storage, start, len: end - start }),
            _ => Err(Error::new(
                Code::Internal,
                format!(
                    "kernel operand {:?} {:?} is not contiguous f32 in host memory, or was given away",
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

fn len_of(storage: &Storage) -> usize {
    match storage {
        Storage::Cpu(CpuStorage::F32(data)) => data.len(),
        _ => 0,
    }
}

/// The elements of a host tensor that nothing else uses: its memory, without a copy where it is all of its storage.
///
/// Whoever still has another handle to the storage finds it empty, which [`View::of`] reports.
pub(super) fn into_vec(tensor: Tensor) -> Result<Vec<f32>> {
    let taken = Take(Mutex::default());
    tensor.inplace_op1(&taken)?;
    let Take(data) = taken;
    Ok(data.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Take(Mutex<Vec<f32>>);

impl InplaceOp1 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            candle_core::bail!("what is to be changed in place must be contiguous f32 in host memory");
        };
        let Some(part) = data.get(start..end) else { candle_core::bail!("an operand was given away before") };
        let taken = if part.len() == data.len() { std::mem::take(data) } else { part.to_vec() };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = taken;
        Ok(())
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
