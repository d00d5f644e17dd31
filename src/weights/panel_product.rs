//! Products on the CPU, panel by panel. Those of all weights that an input meets are tasks of one parallel loop, so that only its
//! end is waited for; and what goes on top of an output is added where it is made, while a core has it at hand.

use crate::error::Result;
use crate::tensor::columns::Columns;
use crate::tensor::{Buffer, buffers};
use rayon::prelude::*;
use std::ops::Range;

/// Outputs of a panel.
pub(super) const PANEL: usize = 32;
/// Bytes of weights, times rows, below which a task is not worth another thread's waking.
const LEAST_BYTES: usize = 1 << 15;

/// Sums of some rows of a panel.
pub(super) type Sums = [[f32; PANEL]];

/// A product of some rows with a weight.
pub(crate) trait PanelProduct: Sync {
    /// Outputs of the weight.
    fn outputs(&self) -> usize;

    /// Bytes of a panel of it.
    fn panel_bytes(&self) -> usize;

    /// Most rows that a task makes, a multiple of `ROWS`.
    fn task_rows(&self) -> usize;

    /// Makes the products of a panel with some rows, and gives them to `done(first row, sums)`, up to `ROWS` rows at a time. The
    /// first row is a multiple of that. Beyond the last output sums are anything.
    fn make(&self, panel: usize, rows: Range<usize>, done: &mut dyn FnMut(usize, &mut Sums));
}

/// A product and what goes on top of it: the bias, then each delta, then a residual stream.
pub(super) struct Term<'a> {
    pub(super) product: Box<dyn PanelProduct + 'a>,
    pub(super) bias: Option<&'a [f32]>,
    pub(super) deltas: Vec<Delta<'a>>,
    /// `[rows, outputs]`
    pub(super) onto: Option<&'a [f32]>,
}

/// The second product of a low-rank delta, on top of some rows.
pub(super) struct Delta<'a> {
    pub(super) rows: Range<usize>,
    /// Of as many rows; any of them may be the first.
    pub(super) product: Box<dyn PanelProduct + 'a>,
    pub(super) scaling: f32,
}

/// The outputs of each term, `[rows, outputs]`.
pub(super) fn outputs(terms: &[Term<'_>], rows: usize) -> Result<Vec<Buffer>> {
    let mut ys = terms.iter().map(|term| buffers::take(rows * term.product.outputs())).collect::<Result<Vec<_>>>()?;
    let (mut parts, mut tasks, mut bytes) = (Vec::with_capacity(terms.len()), 0, 0);
    for (term, y) in terms.iter().zip(&mut ys) {
        let product = &*term.product;
        let (panels, row_tasks) = (product.outputs().div_ceil(PANEL), rows.div_ceil(product.task_rows()));
        tasks += panels * row_tasks;
        bytes += panels * product.panel_bytes() * rows;
        parts.push(Part { term, row_tasks, tasks_up_to: tasks, out: Columns::of(y, product.outputs()) });
    }
    let worth = LEAST_BYTES * tasks / bytes.max(1);
    (0..tasks).into_par_iter().with_min_len(worth.max(1)).for_each(|task| {
        let index = parts.partition_point(|part| part.tasks_up_to <= task);
        let before = if index == 0 { 0 } else { parts[index - 1].tasks_up_to };
        parts[index].make(task - before, rows);
    });
    drop(parts);
    Ok(ys)
}

/// `[rows, outputs]` of a product with nothing on top.
pub(super) fn alone(product: Box<dyn PanelProduct + '_>, rows: usize) -> Result<Buffer> {
    let term = Term { product, bias: None, deltas: Vec::new(), onto: None };
    Ok(outputs(&[term], rows)?.pop().unwrap_or_default())
}

/// A term of the loop.
struct Part<'a> {
    term: &'a Term<'a>,
    /// Tasks of a panel.
    row_tasks: usize,
    /// Tasks of this term and of those before it.
    tasks_up_to: usize,
    out: Columns,
}

impl Part<'_> {
    fn make(&self, task: usize, rows: usize) {
        let (panel, first) = (task / self.row_tasks, task % self.row_tasks * self.term.product.task_rows());
        let outputs = self.term.product.outputs();
        let column = panel * PANEL;
        let width = PANEL.min(outputs - column);
        self.term.product.make(panel, first..rows.min(first + self.term.product.task_rows()), &mut |first, sums| {
            if let Some(bias) = self.term.bias {
                sums.iter_mut().for_each(|sums| add(sums, &bias[column..][..width]));
            }
            for delta in &self.term.deltas {
                delta.add(panel, first, sums);
            }
            for (row, sums) in (first..).zip(sums) {
                if let Some(onto) = self.term.onto {
                    add(sums, &onto[row * outputs + column..][..width]);
                }
                self.out.write(row, column, width, &sums[..width]);
            }
        });
    }
}

impl Delta<'_> {
    /// Adds a panel of it to the sums of the rows from `first` on.
    fn add(&self, panel: usize, first: usize, sums: &mut Sums) {
        let Range { start, end } = self.rows;
        let (from, to) = (first.max(start), (first + sums.len()).min(end));
        if from >= to {
            return;
        }
        self.product.make(panel, from - start..to - start, &mut |row, made| {
            for (sums, made) in sums[start + row - first..].iter_mut().zip(made) {
                sums.iter_mut().zip(made).for_each(|(sum, made)| *sum += self.scaling * *made);
            }
        });
    }
}

fn add(sums: &mut [f32; PANEL], others: &[f32]) {
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}
