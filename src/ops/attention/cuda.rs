//! The launches of `forward.cu`, `few.cu`, `backward.cu` (bf16 on tensor cores) and `plain.cu` (the rest).

mod layout;

use super::{Gradients, Heads, Span};
use crate::error::{Code, Error, Result};
use crate::gpu::{Arg, Array, Element, Gpu, Grid, blocks, name};
use crate::tensor::Matrix;
use crate::weights::room_for_eight_bits;
use layout::{FEW, Layout, Tiles};

/// The widest head of any kernel.
const MAX_DIM: usize = 256;
/// Blocks that fill a card: two for each of an H100's multiprocessors.
const FILL: usize = 264;
/// Keys that are worth a block, and the most parts that keys are split into.
const KEYS_A_SPLIT: usize = 256;
const MAX_SPLITS: usize = 32;
/// The largest second or third side of a grid.
const MAX_SIDE: usize = 65535;

/// One call: its operands, and how they are worked on.
struct Call<'a> {
    gpu: &'a Gpu,
    heads: Heads,
    layout: std::rc::Rc<Layout>,
    tokens: usize,
    operands: [&'a Array; 3],
    element: Element,
    /// The width that heads are padded to, where there is a kernel on tensor cores.
    padded: Option<usize>,
}

/// How spans of few queries are worked on: blocks beside each other for a tile, and parts of its keys.
struct FewGrid {
    columns: usize,
    splits: usize,
}

/// Lets go of what this thread keeps of the last spans.
pub(super) fn forget_spans() {
    layout::forget();
}

/// With `eight_bits`, also in 8 bits, where the kernels give that.
pub(super) fn forward(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
    eight_bits: bool,
) -> Result<(Matrix, Option<Array>)> {
    let call = Call::new(heads, spans, q, k, v)?;
    let mut out = call.like_queries()?;
    let Layout { queries: tiles, .. } = &*call.layout;
    if tiles.many > 0 {
        call.many(tiles.many, &mut out, &mut call.numbers(1)?)?;
    }
    let mut bits = None;
    if tiles.all > tiles.many {
        let few = call.few_grid(tiles.all - tiles.many);
        // A warp of theirs has neighbours of a head.
        if eight_bits
            && tiles.many == 0
            && call.heads.dim.is_multiple_of(32)
            && (few.splits > 1 || call.padded.is_some())
        {
            bits = Some(room_for_eight_bits(&out, q.rows(), q.cols())?);
        }
        call.few(&few, &mut out, bits.as_mut())?;
    }
    Ok((Matrix::of_array(q.rows(), q.cols(), out), bits))
}

/// The same, and ln Σ exp(score), `[tokens, query heads]`.
pub(super) fn forward_saved(
    heads: Heads,
    spans: &[Span],
    q: &Matrix,
    k: &Matrix,
    v: &Matrix,
) -> Result<(Matrix, Matrix)> {
    let call = Call::new(heads, spans, q, k, v)?;
    let (mut out, mut lse) = (call.like_queries()?, call.numbers(1)?);
    call.many(call.layout.queries.all, &mut out, &mut lse)?;
    Ok((Matrix::of_array(q.rows(), q.cols(), out), Matrix::of_array(q.rows(), heads.queries, lse)))
}

/// The gradients, given what [`forward_saved`] gave, which is made again otherwise.
pub(super) fn backward(
    heads: Heads,
    spans: &[Span],
    [q, k, v]: [&Matrix; 3],
    saved: Option<(&Matrix, &Matrix)>,
    dout: &Matrix,
) -> Result<Gradients> {
    let Some((out, lse)) = saved else {
        let (out, lse) = forward_saved(heads, spans, q, k, v)?;
        return backward(heads, spans, [q, k, v], Some((&out, &lse)), dout);
    };
    if spans.iter().any(|span| span.keys.len() != 1) {
        return Err(Error::new(Code::Internal, "the backward pass of attention over keys in several runs"));
    }
    let call = Call::new(heads, spans, q, k, v)?;
    let dout = call.checked(dout.array()?)?;
    let mut delta = call.numbers(1)?;
    let pairs = call.tokens * heads.queries;
    call.gpu.launch(
        &name("attention_delta", &[call.element]),
        Grid { blocks: [blocks(pairs, 4), 1, 1], threads: 128, shared: 0 },
        &[
            call.checked(out.array()?)?.at(0),
            dout.at(0),
            delta.at_mut(0),
            Arg::from(pairs as u64),
            Arg::from(heads.dim as u32),
        ],
    )?;
    let inputs = [dout.at(0), lse.array()?.at(0), delta.at(0)];
    let mut dq = call.like_queries()?;
    let (mut dk, mut dv) = (call.like(call.operands[1])?, call.like(call.operands[2])?);
    let (q_grid, kv_grid) = call.backward_grids();
    let dq_args = [&inputs[..], &[dq.at_mut(0)]].concat();
    call.launch("backward_q", &call.layout.queries, 0..call.layout.queries.all, heads.queries, q_grid, &dq_args)?;
    let keys = call.layout.keys()?;
    let dkv_args = [&inputs[..], &[dk.at_mut(0), dv.at_mut(0)]].concat();
    call.launch("backward_kv", keys, 0..keys.all, heads.keys, kv_grid, &dkv_args)?;
    Ok(Gradients {
        dq: Matrix::of_array(q.rows(), q.cols(), dq),
        dk: Matrix::of_array(k.rows(), k.cols(), dk),
        dv: Matrix::of_array(v.rows(), v.cols(), dv),
    })
}

impl<'a> Call<'a> {
    fn new(heads: Heads, spans: &[Span], q: &'a Matrix, k: &'a Matrix, v: &'a Matrix) -> Result<Self> {
        if heads.dim > MAX_DIM {
            let dim = heads.dim;
            return Err(Error::new(Code::Unsupported, format!("heads of {dim} on a GPU, which takes up to {MAX_DIM}")));
        }
        let operands = [q.array()?, k.array()?, v.array()?];
        let (gpu, element) = (operands[0].gpu(), operands[0].element());
        let padded = [64, 128, 256].into_iter().find(|padded| heads.dim <= *padded);
        let padded = padded.filter(|_| element == Element::Bf16 && heads.dim.is_multiple_of(16));
        let layout = Layout::of(gpu, spans)?;
        let call = Call { gpu, heads, layout, tokens: q.rows(), operands, element, padded };
        operands.iter().try_for_each(|array| call.checked(array).map(drop))?;
        Ok(call)
    }

    /// Kernels know one type for all operands.
    fn checked<'b>(&self, array: &'b Array) -> Result<&'b Array> {
        let (found, expected) = (array.element(), self.element);
        match found == expected {
            true => Ok(array),
            false => Err(Error::new(Code::Internal, format!("attention of {expected:?} with an operand of {found:?}"))),
        }
    }

    fn like(&self, array: &Array) -> Result<Array> {
        Array::new(self.gpu, self.element, array.len())
    }

    fn like_queries(&self) -> Result<Array> {
        self.like(self.operands[0])
    }

    /// An f32 for each query and head, `times` over.
    fn numbers(&self, times: usize) -> Result<Array> {
        Array::new(self.gpu, Element::F32, times * self.tokens * self.heads.queries)
    }

    /// The first `count` tiles of queries, by the kernel for many of them.
    fn many(&self, count: usize, out: &mut Array, lse: &mut Array) -> Result<()> {
        let tiles = &self.layout.queries;
        let grid = |shared| Grid { blocks: [1, 1, 1], threads: 128, shared };
        match self.padded {
            Some(padded) => {
                let args = [out.at_mut(0), lse.at_mut(0)];
                self.launch("forward", tiles, 0..count, self.heads.queries, grid((3 * 64 * padded * 2) as u32), &args)
            }
            None => {
                let args = [out.at_mut(0), Arg::null(), lse.at_mut(0), Arg::from(self.tokens as u64)];
                self.launch("forward", tiles, 0..count, self.heads.queries, grid(0), &args)
            }
        }
    }

    /// How the last `count` tiles of queries are worked on, which are of spans that have few: their keys split, so that a
    /// long sequence fills the card.
    fn few_grid(&self, count: usize) -> FewGrid {
        let (tiles, heads) = (&self.layout.queries, self.heads);
        let chunks = (self.layout.most_few() * heads.group()).div_ceil(16);
        let columns = if self.padded.is_some() { heads.keys * chunks } else { heads.queries };
        let keys = heads.window.map_or(self.layout.most_keys, |window| self.layout.most_keys.min(window + FEW));
        // Beside spans with many queries, the parts of all rows would be as large as the scores of few.
        let splits = if tiles.many > 0 { 1 } else { FILL / (columns * count) };
        FewGrid { columns, splits: splits.min(keys.div_ceil(KEYS_A_SPLIT)).clamp(1, MAX_SPLITS) }
    }

    /// These tiles, with the result in 8 bits, too, where there is memory for that.
    fn few(&self, &FewGrid { columns, splits }: &FewGrid, out: &mut Array, bits: Option<&mut Array>) -> Result<()> {
        let (tiles, heads) = (&self.layout.queries, self.heads);
        let whole = splits == 1;
        let mut partial = Array::new(self.gpu, Element::F32, if whole { 0 } else { splits * out.len() })?;
        let mut lse = self.numbers(splits)?;
        let rest = [partial.at_mut(0), lse.at_mut(0), Arg::from(self.tokens as u64)];
        let bits = bits.map_or(Arg::null(), |bits| bits.at_mut(0));
        let range = tiles.many..tiles.all;
        match self.padded {
            Some(padded) => {
                let warps = if padded == 256 { 2 } else { 4 };
                let shared = ((16 + warps * 64) * padded * 2) as u32;
                let grid = Grid { blocks: [splits as u32, columns as u32, 1], threads: 32 * warps as u32, shared };
                self.launch_few(tiles, range, grid, &[&[out.at_mut(0), bits], &rest[..]].concat())?;
            }
            None => {
                let grid = Grid { blocks: [1, 1, splits as u32], threads: 128, shared: 0 };
                self.launch("forward", tiles, range, heads.queries, grid, &[&[out.at_mut(0)], &rest[..]].concat())?;
            }
        }
        if whole {
            return Ok(());
        }
        let grid = Grid {
            blocks: [heads.queries as u32, self.tokens as u32, 1],
            threads: heads.dim.next_multiple_of(32) as u32,
            shared: 0,
        };
        let sizes = [Arg::from(splits as u32), Arg::from(heads.dim as u32)];
        let args = [partial.at(0), lse.at(0), out.at_mut(0), bits, sizes[0], sizes[1]];
        self.gpu.launch_early(&name("attention_combine", &[self.element]), grid, &args)
    }

    /// Threads and shared memory of the kernels of dq, and of dk and dv; the third side of the latter's grid.
    fn backward_grids(&self) -> (Grid, Grid) {
        let grid = |z, threads, shared| Grid { blocks: [1, 1, z], threads, shared: shared as u32 };
        match self.padded {
            None => (grid(1, 128, 0), grid(1, 128, 0)),
            // One strip at a time, and one half of the columns in a block.
            Some(256) => (grid(1, 128, 192 * 512), grid(2, 128, 192 * 512 + 256)),
            Some(padded) => (grid(1, 128, 256 * padded * 2), grid(1, 256, 384 * padded * 2 + 1024)),
        }
    }

    /// Launches for a range of tiles; the grid's first side is `heads`, its second the tiles, its third stays.
    fn launch(
        &self,
        kernel: &str,
        tiles: &Tiles,
        range: std::ops::Range<usize>,
        heads: usize,
        grid: Grid,
        args: &[Arg],
    ) -> Result<()> {
        let kernel = match self.padded {
            Some(padded) => name(&format!("attention_{kernel}_{padded}"), &[self.element]),
            None => name(&format!("attention_plain_{kernel}"), &[self.element]),
        };
        for first in range.clone().step_by(MAX_SIDE) {
            let count = MAX_SIDE.min(range.end - first);
            let blocks = [heads as u32, count as u32, grid.blocks[2]];
            self.gpu.launch(&kernel, Grid { blocks, ..grid }, &self.arguments(args, tiles, first))?;
        }
        Ok(())
    }

    /// The same for `few.cu`, which has the tiles on the third side.
    fn launch_few(&self, tiles: &Tiles, range: std::ops::Range<usize>, grid: Grid, args: &[Arg]) -> Result<()> {
        let kernel = name(&format!("attention_few_{}", self.padded.unwrap_or(0)), &[self.element]);
        for first in range.clone().step_by(MAX_SIDE) {
            let count = MAX_SIDE.min(range.end - first);
            let blocks = [grid.blocks[0], grid.blocks[1], count as u32];
            self.gpu.launch_early(&kernel, Grid { blocks, ..grid }, &self.arguments(args, tiles, first))?;
        }
        Ok(())
    }

    /// The operands, what a kernel has of its own, and what all are told.
    fn arguments(&self, own: &[Arg], tiles: &Tiles, first: usize) -> Vec<Arg> {
        let heads = self.heads;
        let told = [
            Arg::from(heads.queries as u32),
            Arg::from(heads.keys as u32),
            Arg::from(heads.dim as u32),
            Arg::from(heads.window.map_or(0, |window| u32::try_from(window).unwrap_or(0))),
            Arg::from(heads.scale),
            Arg::from(heads.softcap.unwrap_or(0.0)),
        ];
        let operands = self.operands.map(|array| array.at(0));
        [&operands[..], own, &self.layout.arguments(tiles.starting_at(first)), &told].concat()
    }
}
