//! A dense weight in host memory, in panels of outputs, and its products.

use super::super::dequantized::{self, Rows};
use super::kernel::{Operand, add_product};
use super::pairs::Pair;
use crate::error::Result;
use crate::tensor::Buffer;
use crate::weights::Operand as WeightOperand;
use crate::weights::kernel::{Kernel, ROWS};
use crate::weights::memory::Elements;
use crate::weights::panel_product::{PANEL, PanelProduct, Sums};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Range;

/// Rows of activations whose products one task makes.
pub(super) const TASK_ROWS: usize = 32 * ROWS;
/// Pairs of inputs that are filled, or multiplied with all rows of a task, before the next: as many as stay in a core's
/// first cache.
pub(super) const BLOCK: usize = 64;

/// A weight in panels, of whatever type and width.
pub(super) trait Packed: Rows + Send + std::fmt::Debug {
    /// The name of the type.
    fn name(&self) -> &'static str;

    /// Bytes held.
    fn bytes(&self) -> usize;

    /// Whether this CPU has instructions for it; else products take it dequantized.
    fn has_kernel(&self) -> bool;

    /// The product with `x [rows, inputs]`, if there are.
    fn times<'a>(&'a self, x: &'a WeightOperand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>>;

    /// The same with rows of f32, which are not rounded.
    fn times_rows<'a>(&'a self, x: &'a [f32]) -> Option<Box<dyn PanelProduct + 'a>>;

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
        // SAFETY: zeros are pairs.
        let pairs = unsafe { Elements::zeroed(Self::pairs(outputs, inputs))? };
        Ok(Self::pack(pairs, outputs, inputs, values))
    }

    /// The same of one of many weights that are read one after the other.
    pub(super) fn among_others(outputs: usize, inputs: usize, values: &[f32]) -> Result<Self> {
        // SAFETY: zeros are pairs.
        let pairs = unsafe { Elements::zeroed_among_others(Self::pairs(outputs, inputs))? };
        Ok(Self::pack(pairs, outputs, inputs, values))
    }

    /// Pairs of all panels.
    fn pairs(outputs: usize, inputs: usize) -> usize {
        outputs.div_ceil(OUTPUTS) * inputs.div_ceil(2)
    }

    fn pack(mut pairs: Elements<P>, outputs: usize, inputs: usize, values: &[f32]) -> Self {
        let width = inputs.div_ceil(2);
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
        Panels { outputs, inputs, pairs, kernel: Kernel::detect() }
    }

    /// The product with rows of f32, by the instructions of that kernel.
    pub(super) fn times_f32<'a>(&'a self, kernel: Kernel, x: &'a [f32]) -> impl PanelProduct + 'a {
        let width = self.inputs.div_ceil(2);
        let (x, stride) = match self.inputs.is_multiple_of(2) {
            true => (Cow::Borrowed(x), self.inputs),
            false => {
                let even = x.chunks_exact(self.inputs).flat_map(|row| row.iter().copied().chain([0.0]));
                (Cow::Owned(even.collect()), 2 * width)
            }
        };
        let add = move |pairs: &[P], row: usize, pair: usize, sums: &mut [[f32; OUTPUTS]]| {
            for (row, sums) in (row..).step_by(ROWS).zip(sums.chunks_mut(ROWS)) {
                add_product(kernel, pairs, Operand { values: &x[row * stride + 2 * pair..], stride }, sums);
            }
        };
        PanelsTimes { panels: self, block: BLOCK, add }
    }

    /// The product with rows of some form. `add(pairs, row, pair, sums)` adds those of up to `block` pairs from `pair` on with the rows
    /// from `row` on to the sums of each row.
    pub(super) fn times_by<'a, A>(&'a self, block: usize, add: A) -> impl PanelProduct + 'a
    where
        A: Fn(&[P], usize, usize, &mut [[f32; OUTPUTS]]) + Sync + 'a,
    {
        PanelsTimes { panels: self, block, add }
    }
}

/// Panels and what multiplies them with rows.
struct PanelsTimes<'a, P, A, const OUTPUTS: usize> {
    panels: &'a Panels<P, OUTPUTS>,
    /// Pairs that meet all rows of a task before the next.
    block: usize,
    add: A,
}

impl<P: Pair<OUTPUTS>, A, const OUTPUTS: usize> PanelProduct for PanelsTimes<'_, P, A, OUTPUTS>
where
    A: Fn(&[P], usize, usize, &mut [[f32; OUTPUTS]]) + Sync,
{
    fn outputs(&self) -> usize {
        self.panels.outputs
    }

    fn panel_bytes(&self) -> usize {
        self.panels.bytes() / self.panels.outputs.div_ceil(PANEL).max(1)
    }

    fn task_rows(&self) -> usize {
        TASK_ROWS
    }

    fn make(&self, panel: usize, rows: Range<usize>, done: &mut dyn FnMut(usize, &mut Sums)) {
        match rows.len() {
            0..=1 => self.make_up_to::<1>(panel, rows, done),
            2..=ROWS => self.make_up_to::<ROWS>(panel, rows, done),
            _ => self.make_up_to::<TASK_ROWS>(panel, rows, done),
        }
    }
}

impl<P: Pair<OUTPUTS>, A, const OUTPUTS: usize> PanelsTimes<'_, P, A, OUTPUTS>
where
    A: Fn(&[P], usize, usize, &mut [[f32; OUTPUTS]]) + Sync,
{
    /// Of at most `MOST` rows.
    fn make_up_to<const MOST: usize>(&self, panel: usize, rows: Range<usize>, done: &mut dyn FnMut(usize, &mut Sums)) {
        let mut made = [[0.0f32; PANEL]; MOST];
        let made = &mut made[..rows.len()];
        // Panels of a weight that has few outputs are narrower.
        if OUTPUTS == PANEL {
            self.add_to(panel, rows.start, made.as_flattened_mut().as_chunks_mut().0);
        } else {
            let mut sums = [[0.0f32; OUTPUTS]; MOST];
            let sums = &mut sums[..rows.len()];
            for part in 0..PANEL / OUTPUTS {
                sums.fill([0.0; OUTPUTS]);
                self.add_to(panel * (PANEL / OUTPUTS) + part, rows.start, sums);
                for (made, sums) in made.iter_mut().zip(&*sums) {
                    made[part * OUTPUTS..][..OUTPUTS].copy_from_slice(sums);
                }
            }
        }
        for (first, made) in rows.step_by(ROWS).zip(made.chunks_mut(ROWS)) {
            done(first, made);
        }
    }

    /// Adds the products of a panel, if there is one, with the rows from `first` on.
    fn add_to(&self, panel: usize, first: usize, sums: &mut [[f32; OUTPUTS]]) {
        let width = self.panels.inputs.div_ceil(2);
        let Some(pairs) = self.panels.pairs.get(panel * width..(panel + 1) * width) else { return };
        for (block, pairs) in pairs.chunks(self.block).enumerate() {
            (self.add)(pairs, first, block * self.block, sums);
        }
    }
}

impl<P: Pair<OUTPUTS>, const OUTPUTS: usize> Packed for Panels<P, OUTPUTS> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn bytes(&self) -> usize {
        self.pairs.len() * size_of::<P>()
    }

    fn has_kernel(&self) -> bool {
        self.kernel.is_some()
    }

    fn times<'a>(&'a self, x: &'a WeightOperand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        let (x, _) = dequantized::operand(x.matrix(), self.inputs)?;
        Ok(self.times_rows(x))
    }

    fn times_rows<'a>(&'a self, x: &'a [f32]) -> Option<Box<dyn PanelProduct + 'a>> {
        self.kernel.map(|kernel| Box::new(self.times_f32(kernel, x)) as Box<_>)
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
