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

    /// Makes the products of a panel with some rows, and gives them to `done(first row, sums)`, up to `ROWS` rows at a time, in
    /// the order of the rows. The first row is a multiple of that. Beyond the last output sums are anything.
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

/// What becomes of two outputs at the same places: the first is written over.
pub(crate) type Join<'a> = &'a (dyn Fn(&mut Sums, &Sums) + Sync);

/// The outputs of each term, `[rows, outputs]`.
pub(super) fn outputs(terms: &[Term<'_>], rows: usize) -> Result<Vec<Buffer>> {
    let mut ys = terms.iter().map(|term| buffers::take(rows * term.product.outputs())).collect::<Result<Vec<_>>>()?;
    let (mut parts, mut tasks, mut bytes) = (Vec::with_capacity(terms.len()), 0, 0);
    for (term, y) in terms.iter().zip(&mut ys) {
        let grid = Grid::of(&*term.product, rows);
        tasks += grid.tasks();
        bytes += grid.bytes(&*term.product);
        parts.push(Part { term, grid, tasks_up_to: tasks, out: Columns::of(y, grid.outputs) });
    }
    for_each_task(tasks, bytes, |_, task| {
        let index = parts.partition_point(|part| part.tasks_up_to <= task);
        let before = if index == 0 { 0 } else { parts[index - 1].tasks_up_to };
        let Part { term, grid, out, .. } = &parts[index];
        let (panel, rows) = grid.task(task - before);
        term.make(panel, rows, &mut |first, sums| out.write_rows(first, panel * PANEL, sums));
    });
    drop(parts);
    Ok(ys)
}

/// What `join` makes of the outputs of two terms, `[rows, outputs]`: neither is written to memory, nor read again. `None` if they
/// are not of the same panels.
pub(super) fn joined([one, other]: [&Term<'_>; 2], rows: usize, join: Join<'_>) -> Result<Option<Buffer>> {
    let grid = Grid::of(&*one.product, rows);
    if Grid::of(&*other.product, rows) != grid {
        return Ok(None);
    }
    let mut y = buffers::take(rows * grid.outputs)?;
    let out = Columns::of(&mut y, grid.outputs);
    for_each_task(grid.tasks(), grid.bytes(&*one.product) + grid.bytes(&*other.product), |made, task| {
        let (panel, rows) = grid.task(task);
        made.clear();
        // They come in the order of the rows.
        one.make(panel, rows.clone(), &mut |_, sums| made.extend_from_slice(sums));
        other.make(panel, rows.clone(), &mut |first, sums| {
            let made = &mut made[first - rows.start..][..sums.len()];
            join(made, sums);
            out.write_rows(first, panel * PANEL, made);
        });
    });
    Ok(Some(y))
}

/// `[rows, outputs]` of a product with nothing on top.
pub(super) fn alone(product: Box<dyn PanelProduct + '_>, rows: usize) -> Result<Buffer> {
    let term = Term { product, bias: None, deltas: Vec::new(), onto: None };
    Ok(outputs(&[term], rows)?.pop().unwrap_or_default())
}

/// Runs tasks that read so many bytes of weights, times rows, some of them on one thread if they are small. Tasks of a thread have
/// a list that they may use one after another.
fn for_each_task(tasks: usize, bytes: usize, run: impl Fn(&mut Vec<[f32; PANEL]>, usize) + Sync + Send) {
    let worth = LEAST_BYTES * tasks / bytes.max(1);
    (0..tasks).into_par_iter().with_min_len(worth.max(1)).for_each_init(Vec::new, run);
}

/// How the outputs of a product are tasks: some rows, and of them a panel. All panels meet the same rows one after another, which
/// the second cache has then.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Grid {
    rows: usize,
    outputs: usize,
    task_rows: usize,
}

impl Grid {
    fn of(product: &dyn PanelProduct, rows: usize) -> Self {
        Grid { rows, outputs: product.outputs(), task_rows: product.task_rows() }
    }

    fn panels(&self) -> usize {
        self.outputs.div_ceil(PANEL)
    }

    /// Tasks of a panel.
    fn row_tasks(&self) -> usize {
        self.rows.div_ceil(self.task_rows)
    }

    fn tasks(&self) -> usize {
        self.panels() * self.row_tasks()
    }

    /// Bytes of the weight, times rows.
    fn bytes(&self, product: &dyn PanelProduct) -> usize {
        self.panels() * product.panel_bytes() * self.rows
    }

    /// The panel of a task, and its rows.
    fn task(&self, task: usize) -> (usize, Range<usize>) {
        let (panel, first) = (task % self.panels(), task / self.panels() * self.task_rows);
        (panel, first..self.rows.min(first + self.task_rows))
    }
}

/// A term of the loop.
struct Part<'a> {
    term: &'a Term<'a>,
    grid: Grid,
    /// Tasks of this term and of those before it.
    tasks_up_to: usize,
    out: Columns,
}

impl Term<'_> {
    /// The sums of a panel with everything on top.
    fn make(&self, panel: usize, rows: Range<usize>, done: &mut dyn FnMut(usize, &mut Sums)) {
        let outputs = self.product.outputs();
        let column = panel * PANEL;
        let width = PANEL.min(outputs - column);
        self.product.make(panel, rows, &mut |first, sums| {
            if let Some(bias) = self.bias {
                sums.iter_mut().for_each(|sums| add(sums, &bias[column..][..width]));
            }
            for delta in &self.deltas {
                delta.add(panel, first, sums);
            }
            if let Some(onto) = self.onto {
                let rows = (first..).zip(sums.iter_mut());
                rows.for_each(|(row, sums)| add(sums, &onto[row * outputs + column..][..width]));
            }
            done(first, sums);
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
    if let Ok(others) = <&[f32; PANEL]>::try_from(others) {
        // Of a known number of outputs, in vectors.
        return sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
    }
    sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
}
