//! A dense weight in host memory, in panels of outputs, and its products.

use super::super::dequantized::{self, Rows};
use super::kernel::{Operand, add_product};
use super::pairs::Pair;
use crate::error::Result;
use crate::tensor::Buffer;
use crate::tensor::buffers;
use crate::tensor::columns::Columns;
use crate::weights::Operand as WeightOperand;
use crate::weights::kernel::{Kernel, ROWS};
use crate::weights::memory::Elements;
use rayon::prelude::*;

/// Rows of activations whose products one task makes.
pub(super) const TASK_ROWS: usize = 32 * ROWS;
/// Bytes of weights, times rows, below which a task is not worth another thread's waking.
const LEAST_BYTES: usize = 1 << 15;
/// Pairs of inputs that are filled, or multiplied with all rows of a task, before the next: as many as stay in a core's
/// first cache.
pub(super) const BLOCK: usize = 64;

/// A weight in panels, of whatever type and width.
pub(super) trait Packed: Rows + Send + std::fmt::Debug {
    /// The name of the type.
    fn name(&self) -> &'static str;

    /// Bytes held.
    fn bytes(&self) -> usize;

    /// `x [rows, inputs]` times the transpose, `[rows, outputs]`.
    fn product(&self, x: &WeightOperand<'_>) -> Result<Buffer>;

    /// `dy [rows, outputs]` times the weight, `[rows, inputs]`.
    fn transposed_product(&self, dy: &[f32], rows: usize) -> Result<Buffer> {
        dequantized::transposed_product(self, dy, rows)
    }

    /// Whether products round their operands to bf16.
    fn rounds_operands(&self) -> bool {
        false
    }
}

/// A weight `[outputs, inputs]`.
pub(super) struct Panels<P, const OUTPUTS: usize> {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Pairs of inputs, panel after panel.
    pub(super) pairs: Elements<P>,
    pub(super) kernel: Option<Kernel>,
}

impl<P: Pair<OUTPUTS>, const OUTPUTS: usize> Panels<P, OUTPUTS> {
    /// Packs `values`, row by row.
    pub(super) fn new(outputs: usize, inputs: usize, values: &[f32]) -> Result<Self> {
        let width = inputs.div_ceil(2);
        // SAFETY: zeros are pairs.
        let mut pairs: Elements<P> = unsafe { Elements::zeroed(outputs.div_ceil(OUTPUTS) * width)? };
        let panels = pairs.par_chunks_mut(width.max(1)).zip(values.par_chunks((OUTPUTS * inputs).max(1)));
        panels.for_each(|(pairs, rows)| {
            for (index, block) in pairs.chunks_mut(BLOCK).enumerate() {
                for (output, row) in rows.chunks_exact(inputs).enumerate() {
                    let (whole, half) = row[2 * index * BLOCK..].as_chunks::<2>();
                    block.iter_mut().zip(whole).for_each(|(pair, values)| pair.put(output, *values));
                    if let (Some(pair), [value]) = (block.get_mut(whole.len()), half) {
                        pair.put(output, [*value, 0.0]);
                    }
                }
            }
        });
        Ok(Panels { outputs, inputs, pairs, kernel: Kernel::detect() })
    }

    pub(super) fn product_by(&self, kernel: Kernel, x: &[f32], rows: usize) -> Result<Buffer> {
        let width = self.inputs.div_ceil(2);
        let even;
        let x = match self.inputs.is_multiple_of(2) {
            true => Operand { values: x, stride: self.inputs },
            false => {
                even = x.chunks_exact(self.inputs).flat_map(|row| row.iter().copied().chain([0.0])).collect::<Vec<_>>();
                Operand { values: &even, stride: 2 * width }
            }
        };
        self.products(rows, |pairs, row, pair, sums| {
            add_product(kernel, pairs, Operand { values: &x.values[row * x.stride + 2 * pair..], ..x }, sums);
        })
    }

    /// The products of all panels with some rows. `add(pairs, row, pair, sums)` adds those of pairs from `pair` on with the
    /// rows from `row` on to the sums of each row.
    pub(super) fn products(
        &self,
        rows: usize,
        add: impl Fn(&[P], usize, usize, &mut [[f32; OUTPUTS]]) + Sync,
    ) -> Result<Buffer> {
        let mut y = buffers::take(rows * self.outputs)?;
        let out = Columns::of(&mut y, self.outputs);
        if rows <= ROWS {
            self.rows_by::<ROWS>(rows, &out, add)
        } else {
            self.rows_by::<TASK_ROWS>(rows, &out, add)
        }
        Ok(y)
    }

    /// A task makes a panel's products with up to `TASK` rows.
    fn rows_by<const TASK: usize>(
        &self,
        rows: usize,
        out: &Columns,
        add: impl Fn(&[P], usize, usize, &mut [[f32; OUTPUTS]]) + Sync,
    ) {
        let width = self.inputs.div_ceil(2);
        let row_tasks = rows.div_ceil(TASK);
        let tasks = (0..self.outputs.div_ceil(OUTPUTS) * row_tasks).into_par_iter();
        tasks.with_min_len(LEAST_BYTES / (width * TASK.min(rows) * size_of::<P>() + 1)).for_each(|task| {
            let (panel, first) = (task / row_tasks, task % row_tasks * TASK);
            let mut sums = [[0.0f32; OUTPUTS]; TASK];
            let sums = &mut sums[..TASK.min(rows - first)];
            for (block, pairs) in self.pairs[panel * width..][..width].chunks(BLOCK).enumerate() {
                for (index, sums) in sums.chunks_mut(ROWS).enumerate() {
                    add(pairs, first + index * ROWS, block * BLOCK, sums);
                }
            }
            write(out, self.outputs, panel, first, sums);
        });
    }
}

/// Writes the sums of the rows from `first` on into the columns of a panel, of which the last may be narrower.
pub(super) fn write<const OUTPUTS: usize>(
    out: &Columns,
    width: usize,
    panel: usize,
    first: usize,
    sums: &[[f32; OUTPUTS]],
) {
    let columns = OUTPUTS.min(width - panel * OUTPUTS);
    for (i, sums) in sums.iter().enumerate() {
        out.write(first + i, panel * OUTPUTS, columns, &sums[..columns]);
    }
}

impl<P: Pair<OUTPUTS>, const OUTPUTS: usize> Packed for Panels<P, OUTPUTS> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn bytes(&self) -> usize {
        self.pairs.len() * size_of::<P>()
    }

    fn product(&self, x: &WeightOperand<'_>) -> Result<Buffer> {
        let (x, rows) = dequantized::operand(x.matrix(), self.inputs)?;
        match self.kernel {
            Some(kernel) => self.product_by(kernel, x, rows),
            None => dequantized::product(self, x, rows),
        }
    }
}

impl<P: Pair<OUTPUTS>, const OUTPUTS: usize> Rows for Panels<P, OUTPUTS> {
    fn shape(&self) -> (usize, usize) {
        (self.outputs, self.inputs)
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        let width = self.inputs.div_ceil(2);
        let pairs = &self.pairs[index / OUTPUTS * width..][..width];
        for (pair, out) in pairs.iter().zip(out.chunks_mut(2)) {
            out.copy_from_slice(&pair.get(index % OUTPUTS)[..out.len()]);
        }
    }
}

impl<P: Pair<OUTPUTS>, const OUTPUTS: usize> std::fmt::Debug for Panels<P, OUTPUTS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({} × {})", P::NAME, self.outputs, self.inputs)
    }
}
