//! Activations as 8-bit integers with a scale for each span of a row, as llama.cpp quantizes them for such products. Rows that
//! are multiplied together lie beside each other, so that a kernel reads them from one place.

mod block;

#[cfg(target_arch = "x86_64")]
use super::amx;
#[cfg(target_arch = "x86_64")]
use super::kernel::Instructions;
use super::kernel::{Kernel, ROWS};
use block::Block;
use rayon::prelude::*;

/// Inputs that are multiplied at once: a lane of `vpdpbusd` and `vpmaddubsw`.
pub(in crate::weights) const GROUP: usize = 4;
/// Inputs that a sum is kept for: the smallest number that shares an integer scale.
const SIXTEEN: usize = 16;
/// The span of types without integer scales.
const SHORT: usize = 32;

/// Which integers lie beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::weights) enum Order {
    /// For vectors: groups of four, in blocks of [`ROWS`] rows, of which the last may have fewer.
    Vectors,
    /// For AMX: groups of 64, or the spans if they are shorter, in blocks of 16 rows; those that the last lacks are zero.
    #[cfg(target_arch = "x86_64")]
    Tiles,
}

impl Order {
    /// The order in which a kernel takes so many rows, for weights that `lie_in_tiles` or not. All give the same bits.
    pub(in crate::weights) fn of(kernel: Kernel, rows: usize, lie_in_tiles: bool) -> Self {
        match kernel.instructions() {
            #[cfg(target_arch = "x86_64")]
            Instructions::Amx if rows >= if lie_in_tiles { LEAST_WHERE_THEY_LIE } else { LEAST_OF_TILES } => {
                Order::Tiles
            }
            _ => Order::Vectors,
        }
    }

    fn block_rows(self) -> usize {
        match self {
            Order::Vectors => ROWS,
            #[cfg(target_arch = "x86_64")]
            Order::Tiles => amx::TILE_ROWS,
        }
    }

    fn group(self, span: usize) -> usize {
        match self {
            Order::Vectors => GROUP,
            #[cfg(target_arch = "x86_64")]
            Order::Tiles => span.min(amx::DEPTH * GROUP),
        }
    }

    /// The rows that so many take.
    fn padded(self, rows: usize) -> usize {
        match self {
            Order::Vectors => rows,
            #[cfg(target_arch = "x86_64")]
            Order::Tiles => rows.next_multiple_of(amx::TILE_ROWS),
        }
    }
}

/// Rows from which on tiles are faster than vectors: they multiply sixteen at a time, and weights are written anew for them.
#[cfg(target_arch = "x86_64")]
const LEAST_OF_TILES: usize = 48;
/// The same of weights that are read where they lie.
#[cfg(target_arch = "x86_64")]
const LEAST_WHERE_THEY_LIE: usize = 13;

/// Rows of quantized activations, in blocks.
pub(in crate::weights) struct Activations {
    rows: usize,
    order: Order,
    span: usize,
    /// Spans of a row.
    spans: usize,
    /// `[block][span][group][row][integer of the group]`
    q: Vec<Line>,
    /// `[block][span][row]`
    scales: Vec<f32>,
    /// `[block][span][pair of sixteen][row][2]`: of every 16 integers, where spans are longer than 32.
    sums: Vec<i16>,
    /// `[block][span][pair of 32][row][2]`: of every 32 integers, where spans are longer.
    pair_sums: Vec<i16>,
    /// `[block][span][row]`, where spans are of 32: −128 times the sum of their integers.
    less_128: Vec<i32>,
}

/// Bytes of a line of the cache: no row of a tile lies in two.
const LINE: usize = 64;

#[derive(Clone)]
#[repr(C, align(64))]
struct Line([i8; LINE]);

/// One span of the rows of a block.
#[derive(Clone, Copy)]
pub(in crate::weights) struct Span {
    q: *const i8,
    scales: *const f32,
    sums: *const i16,
    pair_sums: *const i16,
    less_128: *const i32,
}

impl Activations {
    /// Quantizes `x [rows, width]`, with a scale for every `span`: of 32, or of a multiple of 64.
    pub(in crate::weights) fn quantize(x: &[f32], width: usize, span: usize, order: Order) -> Self {
        let (given, spans) = (x.len() / width, width.div_ceil(span));
        let (rows, block_rows) = (order.padded(given), order.block_rows());
        let short = span == SHORT;
        debug_assert!(short || span.is_multiple_of(2 * SHORT));
        let per_row = |of: usize, has: bool| if has { spans * span / of } else { 0 };
        let [sixteens, pairs, shorts] = [per_row(SIXTEEN, !short), per_row(SHORT, !short), per_row(SHORT, short)];
        let (mut q, mut scales) =
            (vec![Line([0; LINE]); (rows * spans * span).div_ceil(LINE)], vec![0.0f32; rows * spans]);
        let (mut sums, mut pair_sums) = (vec![0i16; rows * sixteens], vec![0i16; rows * pairs]);
        let mut less_128 = vec![0i32; rows * shorts];
        // What a type has none of is cut into as many empty pieces.
        let rows_of = |first: usize| block_rows.min(rows - first);
        let pieces = |per_row: usize| (0..rows).step_by(block_rows).map(move |first| per_row * rows_of(first));
        let blocks: Vec<Block<'_>> = x
            .chunks(block_rows * width)
            .zip(split(bytes_mut(&mut q), pieces(spans * span)))
            .zip(split(&mut scales, pieces(spans)))
            .zip(split(&mut sums, pieces(sixteens)))
            .zip(split(&mut pair_sums, pieces(pairs)))
            .zip(split(&mut less_128, pieces(shorts)))
            .zip((0..rows).step_by(block_rows).map(rows_of))
            .map(|((((((x, q), scales), sums), pair_sums), less_128), rows)| Block {
                rows,
                x,
                q,
                scales,
                sums,
                pair_sums,
                less_128,
            })
            .collect();
        let group = order.group(span);
        blocks.into_par_iter().with_min_len(2).for_each(|block| match group {
            GROUP => block.quantize::<GROUP>(width, span),
            SHORT => block.quantize::<SHORT>(width, span),
            _ => block.quantize::<{ 2 * SHORT }>(width, span),
        });
        Activations { rows: given, order, span, spans, q, scales, sums, pair_sums, less_128 }
    }

    pub(in crate::weights) fn order(&self) -> Order {
        self.order
    }

    /// Integers that share a scale.
    pub(in crate::weights) fn span_len(&self) -> usize {
        self.span
    }

    pub(in crate::weights) fn spans(&self) -> usize {
        self.spans
    }

    pub(in crate::weights) fn rows(&self) -> usize {
        self.rows
    }

    /// Rows of the block that begins with row `first`.
    fn rows_from(&self, first: usize) -> usize {
        let block_rows = self.order.block_rows();
        debug_assert!(first.is_multiple_of(block_rows) && first < self.rows);
        block_rows.min(self.order.padded(self.rows) - first)
    }

    /// Spans of single rows that lie before a span of the block that begins with row `first`.
    fn spans_before(&self, first: usize, span: usize) -> usize {
        first * self.spans + span * self.rows_from(first)
    }

    /// One span of the block that begins with row `first`.
    ///
    /// # Safety
    /// There are such a block and such a span.
    #[inline(always)]
    pub(in crate::weights) unsafe fn span(&self, first: usize, span: usize) -> Span {
        let before = self.spans_before(first, span);
        let inputs = before * self.span;
        // SAFETY: the caller's; what the type of span has none of is not read.
        unsafe {
            Span {
                q: self.q.as_ptr().cast::<i8>().add(inputs),
                scales: self.scales.as_ptr().add(before),
                sums: self.sums.as_ptr().wrapping_add(inputs / SIXTEEN),
                pair_sums: self.pair_sums.as_ptr().wrapping_add(inputs / SHORT),
                less_128: self.less_128.as_ptr().wrapping_add(before),
            }
        }
    }

    /// The scale of a span of a row.
    pub(in crate::weights) fn scale(&self, row: usize, span: usize) -> f32 {
        let m = row % self.order.block_rows();
        self.scales[self.spans_before(row - m, span) + m]
    }

    /// The integers of a span of a row.
    pub(in crate::weights) fn integers(&self, row: usize, span: usize) -> impl Iterator<Item = i8> {
        let (m, len) = (row % self.order.block_rows(), self.order.group(self.span));
        let rows = self.rows_from(row - m);
        let q = &bytes(&self.q)[self.spans_before(row - m, span) * self.span..][..rows * self.span];
        q.chunks_exact(len * rows).flat_map(move |group| &group[m * len..][..len]).copied()
    }
}

fn bytes(lines: &[Line]) -> &[i8] {
    // SAFETY: lines are bytes, without any between.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), size_of_val(lines)) }
}

fn bytes_mut(lines: &mut [Line]) -> &mut [i8] {
    // SAFETY: as above.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), size_of_val(lines)) }
}

/// Pieces of these lengths.
fn split<T>(mut list: &mut [T], lengths: impl Iterator<Item = usize>) -> impl Iterator<Item = &mut [T]> {
    lengths.map(move |len| {
        let (piece, rest) = std::mem::take(&mut list).split_at_mut(len);
        list = rest;
        piece
    })
}

impl Span {
    /// The scale of a row of a block of `M`.
    ///
    /// # Safety
    /// The row is inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn scale(&self, m: usize) -> f32 {
        // SAFETY: the caller's.
        unsafe { *self.scales.add(m) }
    }

    /// All integers.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(in crate::weights) fn integers(&self) -> *const i8 {
        self.q
    }

    /// Four integers of a row of a block of `M`.
    ///
    /// # Safety
    /// The row and the group are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn four<const M: usize>(&self, m: usize, group: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.q.cast::<i32>().add(group * M + m).read_unaligned() }
    }

    /// The sums of 16 integers each, of two neighbours: those of the 32 inputs `index` of a longer span.
    ///
    /// # Safety
    /// The row and the index are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn sums_of_16<const M: usize>(&self, m: usize, index: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.sums.cast::<i32>().add(index * M + m).read_unaligned() }
    }

    /// The sums of 32 integers each, of two neighbours: those of the 64 inputs `index` of a longer span.
    ///
    /// # Safety
    /// The row and the index are inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn sums_of_32<const M: usize>(&self, m: usize, index: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { self.pair_sums.cast::<i32>().add(index * M + m).read_unaligned() }
    }

    /// −128 times the sum of the integers of a row of a span of 32.
    ///
    /// # Safety
    /// The row is inside.
    #[inline(always)]
    pub(in crate::weights) unsafe fn less_128(&self, m: usize) -> i32 {
        // SAFETY: the caller's.
        unsafe { *self.less_128.add(m) }
    }
}
