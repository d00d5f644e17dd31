//! How parallel tasks share a matrix in host memory.

/// Rows per parallel task, such that a task is worth its hand-over (about 16 k elements).
pub(crate) fn rows_per_task(cols: usize) -> usize {
    CHUNK / cols.max(1) + 1
}

/// Elements per parallel task of what goes through a matrix element by element.
pub(crate) const CHUNK: usize = 1 << 14;

/// A row-major matrix into which tasks write disjoint blocks of rows and columns.
pub(crate) struct Columns {
    data: *mut f32,
    len: usize,
    stride: usize,
}

// SAFETY: each task of the parallel loops that use it writes rows and columns of its own (a sequence and a head, a tile of
// outputs), so no element has two writers, and the memory outlives the loop.
unsafe impl Sync for Columns {}

impl Columns {
    /// The matrix in `data`, rows `stride` apart.
    pub(crate) fn of(data: &mut [f32], stride: usize) -> Self {
        Columns { data: data.as_mut_ptr(), len: data.len(), stride }
    }

    /// Writes rows of `N` from a row and column on; where the matrix has fewer columns from there, as many as it has. No two
    /// tasks may write the same element.
    pub(crate) fn write_rows<const N: usize>(&self, row: usize, column: usize, rows: &[[f32; N]]) {
        let width = N.min(self.stride - column);
        for (row, values) in (row..).zip(rows) {
            if width < N {
                self.write(row, column, width, &values[..width]);
                continue;
            }
            let start = row * self.stride + column;
            assert!(start + N <= self.len, "block exceeds its matrix");
            // SAFETY: as in `write`; of a known length, it is no call.
            unsafe { self.data.add(start).cast::<[f32; N]>().write(*values) };
        }
    }

    /// Writes `block`, rows of `width`, at a row and column. No two tasks may write the same element.
    pub(crate) fn write(&self, row: usize, column: usize, width: usize, block: &[f32]) {
        for (i, values) in block.chunks_exact(width).enumerate() {
            let start = (row + i) * self.stride + column;
            assert!(start + width <= self.len, "block exceeds its matrix");
            // SAFETY: inside the matrix by the assertion; disjoint from other writers as said at `Sync`.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.data.add(start), width) };
        }
    }
}
