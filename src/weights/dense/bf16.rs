//! A bf16 weight whose products take bf16, forward and backward, in AMX's tiles or by `vdpbf16ps`, which multiplies two pairs and
//! adds both products to an f32 sum. Operands are rounded to nearest, as PyTorch and llama.cpp round them.

use super::super::dequantized::{self, Rows};
use super::pairs::{Bf16Pair, Pair, WIDE, bits, turn};
use super::panels::{self, BLOCK, Packed, Panels, TASK_ROWS};
use crate::error::Result;
use crate::tensor::buffers;
use crate::tensor::columns::Columns;
use crate::tensor::{Bf16Matrix, Buffer};
use crate::weights::Operand;
use crate::weights::amx::{DEPTH, TILE_ROWS, Tiles};
use crate::weights::kernel::{Instructions, Kernel, ROWS};
use crate::weights::panel_product::PanelProduct;
use crate::weights::prefetch;
use rayon::prelude::*;
use std::arch::x86_64::*;

/// Pairs of outputs in a panel.
const PAIRS: usize = WIDE / 2;
/// Most rows that a turned part of a weight meets: turning it costs as much as the products with some ten rows.
const MOST_ROWS: usize = 4 * TASK_ROWS;
/// Pairs of inputs that meet all rows of a task before the next, where tiles multiply them: sums go through memory between.
const TILES_BLOCK: usize = 4 * BLOCK;

/// A weight `[outputs, inputs]`.
#[derive(Debug)]
pub(super) struct Bf16Products {
    panels: Panels<Bf16Pair<WIDE>, WIDE>,
    unit: Unit,
}

/// What multiplies them, which this CPU has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// AVX-512 BF16.
    Vectors,
    /// AMX, for any number of rows: its sums have other bits.
    Tiles,
}

impl Bf16Products {
    /// Packed as other weights are, or the panels back if this CPU lacks the instruction.
    pub(super) fn of(panels: Panels<Bf16Pair<WIDE>, WIDE>) -> std::result::Result<Self, Panels<Bf16Pair<WIDE>, WIDE>> {
        let unit = match panels.kernel.map(Kernel::instructions) {
            Some(Instructions::Bf16) => Unit::Vectors,
            Some(Instructions::Amx) => Unit::Tiles,
            _ => return Err(panels),
        };
        Ok(Bf16Products { panels, unit })
    }
}

impl Packed for Bf16Products {
    fn name(&self) -> &'static str {
        self.panels.name()
    }

    fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    fn has_kernel(&self) -> bool {
        true
    }

    fn times<'a>(&'a self, x: &'a Operand<'_>) -> Result<Option<Box<dyn PanelProduct + 'a>>> {
        dequantized::operand(x.matrix(), self.panels.inputs)?;
        let (unit, x) = (self.unit, x.in_bf16()?);
        let add =
            move |pairs: &[_], row: usize, pair: usize, sums: &mut [_]| add_product(unit, pairs, x, row, pair, sums);
        Ok(Some(Box::new(self.panels.times_by(unit.block(), add))))
    }

    fn times_rows<'a>(&'a self, x: &'a [f32]) -> Option<Box<dyn PanelProduct + 'a>> {
        self.panels.times_rows(x)
    }

    /// Each task turns the part of the weight that it needs, which costs little beside the products of many rows; a turned
    /// copy of all would take as much memory as the weight.
    fn transposed_product(&self, dy: &[f32], rows: usize) -> Result<Buffer> {
        let Panels { outputs, inputs, .. } = self.panels;
        let dy = Bf16Matrix::round(dy, outputs)?;
        let mut dx = buffers::take(rows * inputs)?;
        let out = Columns::of(&mut dx, inputs);
        let row_tasks = rows.div_ceil(MOST_ROWS);
        let task_rows = rows.div_ceil(row_tasks.max(1)).next_multiple_of(ROWS);
        (0..inputs.div_ceil(WIDE) * row_tasks).into_par_iter().for_each(|task| {
            let (panel, first) = (task / row_tasks, task % row_tasks * task_rows);
            let mut sums = [[0.0f32; WIDE]; MOST_ROWS];
            let sums = &mut sums[..task_rows.min(rows.saturating_sub(first))];
            let mut turned = [const { Bf16Pair::<WIDE>::ZERO }; TILES_BLOCK];
            for pair in (0..outputs.div_ceil(2)).step_by(self.unit.block()) {
                let turned = &mut turned[..self.unit.block().min(outputs.div_ceil(2) - pair)];
                self.turn(panel, pair / PAIRS, turned);
                add_product(self.unit, turned, &dy, first, pair, sums);
            }
            panels::write(&out, inputs, panel, first, sums);
        });
        Ok(dx)
    }

    fn rounds_operands(&self) -> bool {
        true
    }
}

impl Bf16Products {
    /// Pairs of outputs, from the panel `from` on, of the inputs of a panel of the transpose.
    fn turn(&self, inputs: usize, from: usize, turned: &mut [Bf16Pair<WIDE>]) {
        let width = self.panels.inputs.div_ceil(2);
        let first = inputs * PAIRS;
        for (panel, turned) in (from..).zip(turned.chunks_mut(PAIRS)) {
            let sources = &self.panels.pairs[panel * width..][first..width.min(first + PAIRS)];
            turn(sources, turned);
        }
    }
}

impl Rows for Bf16Products {
    fn shape(&self) -> (usize, usize) {
        self.panels.shape()
    }

    fn row(&self, index: usize, out: &mut [f32]) {
        self.panels.row(index, out);
    }
}

impl Unit {
    /// Pairs of inputs that meet all rows of a task before the next.
    fn block(self) -> usize {
        match self {
            Unit::Vectors => BLOCK,
            Unit::Tiles => TILES_BLOCK,
        }
    }
}

/// Adds the products of pairs, the first of which meets the pair `pair` of each row, with the rows from `row` on.
fn add_product(
    unit: Unit,
    pairs: &[Bf16Pair<WIDE>],
    x: &Bf16Matrix,
    row: usize,
    pair: usize,
    sums: &mut [[f32; WIDE]],
) {
    let stride = x.cols().div_ceil(2);
    assert!(pair + pairs.len() <= stride && row + sums.len() <= x.rows());
    let x = &x.pairs()[row * stride + pair..];
    // SAFETY: the unit proves the instructions, the assertion that there are rows.
    match unit {
        Unit::Vectors => {
            for (index, sums) in sums.chunks_mut(ROWS).enumerate() {
                unsafe { add_by_vectors(pairs, &x[index * ROWS * stride..], stride, sums) };
            }
        }
        Unit::Tiles => unsafe {
            match sums.len() {
                4 => avx512_as_tiles::<4>(pairs, x, stride, sums),
                3 => avx512_as_tiles::<3>(pairs, x, stride, sums),
                2 => avx512_as_tiles::<2>(pairs, x, stride, sums),
                1 => avx512_as_tiles::<1>(pairs, x, stride, sums),
                _ => add_by_tiles(pairs, x, stride, sums),
            }
        },
    }
}

/// Any number of rows, `stride` pairs apart.
///
/// # Safety
/// The CPU has AMX; `x` has as many rows as `sums`, of as many pairs as there are.
unsafe fn add_by_tiles(pairs: &[Bf16Pair<WIDE>], x: &[f32], stride: usize, sums: &mut [[f32; WIDE]]) {
    const BLOCKS: usize = 2 * TILE_ROWS;
    let whole = pairs.len() / DEPTH * DEPTH;
    for (pairs, pair, depth) in [(&pairs[..whole], 0, DEPTH), (&pairs[whole..], whole, pairs.len() - whole)] {
        if pairs.is_empty() {
            continue;
        }
        let all = sums.len();
        let (full, rest) = sums.split_at_mut(all / BLOCKS * BLOCKS);
        for (first, sums) in [(0, &mut *full), (all / BLOCKS * BLOCKS, rest)] {
            if sums.is_empty() {
                continue;
            }
            let rows = [sums.len().min(TILE_ROWS), sums.len().saturating_sub(TILE_ROWS).min(TILE_ROWS)];
            // SAFETY: the caller's; no other tiles live beside these.
            let tiles = unsafe { Tiles::set_up(rows, depth) };
            for (index, sums) in sums.chunks_mut(BLOCKS).enumerate() {
                let x = &x[(first + index * BLOCKS) * stride + pair..];
                let blocks = if rows[1] == 0 { 1 } else { 2 };
                // SAFETY: the caller's; all chunks have the rows that the tiles were set up for.
                unsafe {
                    tiles.add_bf16(
                        blocks,
                        pairs.len() / depth,
                        pairs.as_ptr(),
                        x.as_ptr(),
                        stride * size_of::<f32>(),
                        sums.as_mut_ptr(),
                    );
                }
            }
        }
    }
}

/// `M` rows, `stride` pairs apart, times two vectors of sixteen outputs, added as a tile adds them: first inputs and second
/// inputs of up to sixteen pairs each in a chain of fused multiply-adds from zero, then both chains' ends, then those to the sum.
/// Few rows wait for memory, which vectors read faster; but a tile takes numbers below 2⁻¹²⁶ for zero.
///
/// # Safety
/// The CPU has AVX-512 F; `x` has `M` rows of as many pairs as there are.
#[target_feature(enable = "avx512f")]
unsafe fn avx512_as_tiles<const M: usize>(
    pairs: &[Bf16Pair<WIDE>],
    x: &[f32],
    stride: usize,
    sums: &mut [[f32; WIDE]],
) {
    for (step, pairs) in pairs.chunks(DEPTH).enumerate() {
        let mut chains = [[[_mm512_setzero_ps(); 2]; 2]; M];
        for (index, pair) in (step * DEPTH..).zip(pairs) {
            prefetch::ahead(pair);
            let weights: [[__m512; 2]; 2] =
                std::array::from_fn(|second| std::array::from_fn(|v| pair.sixteen(second == 1, v)));
            for (m, chains) in chains.iter_mut().enumerate() {
                // SAFETY: the caller's.
                let x = _mm512_set1_epi32(unsafe { x.as_ptr().add(m * stride + index).cast::<i32>().read() });
                let x = [_mm512_slli_epi32::<16>(x), _mm512_and_si512(x, _mm512_set1_epi32(-0x1_0000))];
                for ((chains, weights), x) in chains.iter_mut().zip(weights).zip(x) {
                    for (chain, weights) in chains.iter_mut().zip(weights) {
                        *chain = _mm512_fmadd_ps(weights, _mm512_castsi512_ps(x), *chain);
                    }
                }
            }
        }
        for (sums, [first, second]) in sums.iter_mut().zip(chains) {
            for (sums, (first, second)) in sums.as_chunks_mut::<16>().0.iter_mut().zip(first.into_iter().zip(second)) {
                // SAFETY: sixteen elements.
                unsafe {
                    let sum = _mm512_add_ps(_mm512_loadu_ps(sums.as_ptr()), _mm512_add_ps(first, second));
                    _mm512_storeu_ps(sums.as_mut_ptr(), sum);
                }
            }
        }
    }
}

/// Up to `ROWS` rows, `stride` pairs apart.
///
/// # Safety
/// The CPU has AVX-512 BF16; `x` has as many rows as `sums`, of as many pairs as there are.
unsafe fn add_by_vectors(pairs: &[Bf16Pair<WIDE>], x: &[f32], stride: usize, sums: &mut [[f32; WIDE]]) {
    // SAFETY: the caller's.
    unsafe {
        match sums.len() {
            6 => avx512_bf16::<6>(pairs, x, stride, sums),
            5 => avx512_bf16::<5>(pairs, x, stride, sums),
            4 => avx512_bf16::<4>(pairs, x, stride, sums),
            3 => avx512_bf16::<3>(pairs, x, stride, sums),
            2 => avx512_bf16::<2>(pairs, x, stride, sums),
            _ => avx512_bf16::<1>(pairs, x, stride, sums),
        }
    }
}

/// `M` rows, `stride` pairs apart, times two vectors of sixteen outputs.
///
/// # Safety
/// The CPU has AVX-512 BF16; `x` has `M` rows of as many pairs as there are.
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn avx512_bf16<const M: usize>(pairs: &[Bf16Pair<WIDE>], x: &[f32], stride: usize, sums: &mut [[f32; WIDE]]) {
    // SAFETY: the caller's; sixteen sums from `16 · v` on are inside of `WIDE`.
    unsafe {
        let mut acc: [[__m512; 2]; M] =
            std::array::from_fn(|m| std::array::from_fn(|v| _mm512_loadu_ps(sums[m].as_ptr().add(v * 16))));
        for (index, pair) in pairs.iter().enumerate() {
            // Where more rows are multiplied, reading is not what they wait for.
            if M < ROWS {
                prefetch::ahead(pair);
            }
            let weights: [__m512bh; 2] = std::array::from_fn(|v| pair.sixteen_pairs(v));
            for (m, acc) in acc.iter_mut().enumerate() {
                let x = bits(_mm512_set1_epi32(x.as_ptr().add(m * stride + index).cast::<i32>().read()));
                for (sum, weights) in acc.iter_mut().zip(weights) {
                    *sum = _mm512_dpbf16_ps(*sum, weights, x);
                }
            }
        }
        for (sums, acc) in sums.iter_mut().zip(acc) {
            for (v, sum) in acc.into_iter().enumerate() {
                _mm512_storeu_ps(sums.as_mut_ptr().add(v * 16), sum);
            }
        }
    }
}
