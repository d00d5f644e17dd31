//! Products of rows of bf16 with a panel, by vectors or in tiles.

use super::pairs::{Bf16Pair, Pair, WIDE, bits};
use super::panels::BLOCK;
use crate::tensor::{Bf16Matrix, Bf16Tiles};
use crate::weights::amx::{DEPTH, TILE_ROWS, Tiles};
use crate::weights::bf16::{FEW, Rounded, Unit};
use crate::weights::kernel::ROWS;
use crate::weights::prefetch;
use std::arch::x86_64::*;

/// Most pairs of inputs that meet all rows of a task before the next.
pub(super) const MOST_PAIRS: usize = 2 * BLOCK;
/// What the first row of a task is a multiple of.
pub(super) const BLOCK_ROWS: usize = 48;
const _: () = assert!(BLOCK_ROWS.is_multiple_of(ROWS) && BLOCK_ROWS.is_multiple_of(TILE_ROWS));

/// Pairs of inputs that meet all rows of a task before the next; sums of tiles go through memory between.
pub(super) fn block(unit: Unit) -> usize {
    match unit {
        Unit::Vectors => BLOCK,
        Unit::Tiles => MOST_PAIRS,
    }
}

/// Adds the products of pairs, the first of which meets the pair `pair` of each row, with the rows from `row` on: these begin a
/// block of [`BLOCK_ROWS`], those one of a unit.
pub(super) fn add_product(x: &Rounded, pairs: &[Bf16Pair<WIDE>], row: usize, pair: usize, sums: &mut [[f32; WIDE]]) {
    match x {
        Rounded::Rows(x) => {
            for (row, sums) in (row..).step_by(ROWS).zip(sums.chunks_mut(ROWS)) {
                let (x, stride) = rows_of(x, row, sums.len(), pair, pairs.len());
                // SAFETY: the unit that rows are for is proof of the instructions; there are the rows.
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
        }
        Rounded::FewRows(x) => {
            for (row, sums) in (row..).step_by(FEW).zip(sums.chunks_mut(FEW)) {
                let (x, stride) = rows_of(x, row, sums.len(), pair, pairs.len());
                // SAFETY: as above.
                unsafe {
                    match sums.len() {
                        4 => avx512_as_tiles::<4>(pairs, x, stride, sums),
                        3 => avx512_as_tiles::<3>(pairs, x, stride, sums),
                        2 => avx512_as_tiles::<2>(pairs, x, stride, sums),
                        _ => avx512_as_tiles::<1>(pairs, x, stride, sums),
                    }
                }
            }
        }
        // SAFETY: as above.
        Rounded::Tiles(x) => unsafe { add_by_tiles(pairs, x, row, pair, sums) },
    }
}

/// So many rows from `row` on, from a pair on, and the pairs from one to the next.
///
/// # Panics
/// If there are not so many, of so many pairs.
fn rows_of(x: &Bf16Matrix, row: usize, rows: usize, pair: usize, pairs: usize) -> (&[f32], usize) {
    let stride = x.cols().div_ceil(2);
    assert!(pair + pairs <= stride && row + rows <= x.rows());
    (&x.pairs()[row * stride + pair..], stride)
}

/// Any number of rows.
///
/// # Safety
/// The CPU has AMX.
unsafe fn add_by_tiles(pairs: &[Bf16Pair<WIDE>], x: &Bf16Tiles, row: usize, pair: usize, sums: &mut [[f32; WIDE]]) {
    const TWO: usize = 2 * TILE_ROWS;
    const TILE: usize = TILE_ROWS * DEPTH;
    assert!(row.is_multiple_of(TILE_ROWS) && pair.is_multiple_of(DEPTH) && row + sums.len() <= x.rows());
    assert!(pair + pairs.len() <= x.tiles() * DEPTH);
    let of_block = |row: usize| &x.pairs()[(row / TILE_ROWS * x.tiles() + pair / DEPTH) * TILE..];
    let whole = pairs.len() / DEPTH;
    let (first, last) = pairs.split_at(whole * DEPTH);
    for (pairs, steps, depth, tile) in [(first, whole, DEPTH, 0), (last, 1, last.len(), whole)] {
        if pairs.is_empty() {
            continue;
        }
        let full = sums.len() / TWO * TWO;
        let (full, rest) = sums.split_at_mut(full);
        let rest_row = row + full.len();
        for (row, sums) in [(row, full), (rest_row, rest)] {
            if sums.is_empty() {
                continue;
            }
            let rows = [sums.len().min(TILE_ROWS), sums.len().saturating_sub(TILE_ROWS).min(TILE_ROWS)];
            // SAFETY: the caller's; no other tiles live beside these.
            let amx = unsafe { Tiles::set_up(rows, depth) };
            for (row, sums) in (row..).step_by(TWO).zip(sums.chunks_mut(TWO)) {
                let tiles_of = |row: usize| of_block(row)[tile * TILE..].as_ptr();
                let sums = sums.as_mut_ptr();
                // SAFETY: the caller's; the chunk has the rows that the tiles were set up for, and the blocks their tiles.
                unsafe {
                    match rows[1] {
                        0 => amx.add_block(steps, pairs.as_ptr(), tiles_of(row), sums),
                        _ => {
                            let x = [tiles_of(row), tiles_of(row + TILE_ROWS)];
                            amx.add_two_blocks(steps, pairs.as_ptr(), x, sums);
                        }
                    }
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
