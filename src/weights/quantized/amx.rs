//! Products of 8-bit integers in AMX's tiles: of sixteen rows with sixteen outputs at a time, in the same integers as vectors
//! make them. Weights are first written as signed bytes; where inputs have integer scales, as the two bytes of their products
//! with them, so that the sums of a whole span need no vectors between.

use super::tile::{HALF, OUTPUTS, Tile};
use super::vnni;
use crate::weights::amx::{DEPTH, Dots, TILE_ROWS, Tiles};
use crate::weights::eight_bits::{Activations, GROUP};
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Lines of sixteen outputs that are written before they meet the rows: they, and the activations of some hundred rows that meet
/// them, stay in a core's caches.
const LINES: usize = 512;

/// Four bytes of sixteen outputs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Bytes([[u8; GROUP]; HALF]);

/// `[low or high byte]`
#[repr(C, align(64))]
struct Made([Dots; 2]);

/// Adds the products of the rows from `first` on, which begins a block, with a row of tiles.
///
/// # Safety
/// The CPU has AMX and what belongs to it; `x` is in its order, and has as many rows from `first` on as there are sums, of as many
/// spans as there are tiles.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn product<T: Tile>(tiles: &[T], x: &Activations, first: usize, sums: &mut [[f32; OUTPUTS]]) {
    let mut lines = [const { MaybeUninit::<Bytes>::uninit() }; LINES];
    let at_once = LINES / lines_of::<T>();
    // SAFETY: the caller's; no other tiles live beside these.
    let amx = unsafe { Tiles::set_up([TILE_ROWS; 2], DEPTH.min(T::SPAN / GROUP)) };
    for (chunk, tiles) in tiles.chunks(at_once).enumerate() {
        for half in 0..OUTPUTS / HALF {
            for (tile, lines) in tiles.iter().zip(lines.chunks_exact_mut(lines_of::<T>())) {
                // SAFETY: the caller's.
                unsafe { write(tile, half, lines) };
            }
            for (block, sums) in sums.chunks_mut(TILE_ROWS).enumerate() {
                // SAFETY: the caller's; the chunk's spans begin there.
                unsafe { add(&amx, tiles, &lines, x, first + block * TILE_ROWS, chunk * at_once, half, sums) };
            }
        }
    }
}

/// Whether a type has integer scales, and so two bytes for a weight.
const fn is_long<T: Tile>() -> bool {
    T::SPAN > T::SUB
}

/// Lines of a tile's sixteen outputs.
const fn lines_of<T: Tile>() -> usize {
    T::SPAN / GROUP * if is_long::<T>() { 2 } else { 1 }
}

/// Writes sixteen outputs of a tile: `[group]`, or `[sixteen groups][low or high byte][group]`.
///
/// # Safety
/// The CPU has AVX-512 F, BW and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
unsafe fn write<T: Tile>(tile: &T, half: usize, lines: &mut [MaybeUninit<Bytes>]) {
    /// Bits of the second where the first are set, of the third elsewhere.
    const SELECT: i32 = 0b1100_1010;
    let (zero, low) = (_mm512_set1_epi8(T::ZERO as i8), _mm512_set1_epi16(0xFF));
    for sub in 0..T::SPAN / T::SUB {
        // SAFETY: the caller's.
        let scale = unsafe { if is_long::<T>() { tile.integer_scales(half, sub) } else { zero } };
        for group in sub * (T::SUB / GROUP)..(sub + 1) * (T::SUB / GROUP) {
            // SAFETY: the caller's; a line has as many bytes as a vector.
            unsafe {
                let q = _mm512_sub_epi8(tile.codes_vnni(half, group), zero);
                if !is_long::<T>() {
                    _mm512_store_si512(lines[group].as_mut_ptr().cast(), q);
                    continue;
                }
                // Of each two bytes, the first and the second, times the scale.
                let first = _mm512_mullo_epi16(_mm512_srai_epi16::<8>(_mm512_slli_epi16::<8>(q)), scale);
                let second = _mm512_mullo_epi16(_mm512_srai_epi16::<8>(q), scale);
                let low_bytes = _mm512_ternarylogic_epi32::<SELECT>(low, first, _mm512_slli_epi16::<8>(second));
                let high_bytes = _mm512_ternarylogic_epi32::<SELECT>(low, _mm512_srli_epi16::<8>(first), second);
                let line = group / DEPTH * 2 * DEPTH + group % DEPTH;
                _mm512_store_si512(lines[line].as_mut_ptr().cast(), low_bytes);
                _mm512_store_si512(lines[line + DEPTH].as_mut_ptr().cast(), high_bytes);
            }
        }
    }
}

/// Adds the products of some tiles, the first of which meets the span `span`, with the block that begins with row `first`.
///
/// # Safety
/// As for `product`; the lines are those of the tiles.
#[expect(clippy::too_many_arguments, reason = "two operands and where they meet")]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn add<T: Tile>(
    amx: &Tiles,
    tiles: &[T],
    lines: &[MaybeUninit<Bytes>],
    x: &Activations,
    first: usize,
    span: usize,
    half: usize,
    out: &mut [[f32; OUTPUTS]],
) {
    let mut sums = [_mm512_setzero_ps(); TILE_ROWS];
    for (sum, out) in sums.iter_mut().zip(&*out) {
        // SAFETY: as many elements as a vector has.
        *sum = unsafe { _mm512_loadu_ps(out.as_chunks::<HALF>().0[half].as_ptr()) };
    }
    let mut made = [const { MaybeUninit::<Made>::uninit() }; 2];
    let made = made.each_mut().map(|made| made.as_mut_ptr());
    let begin = |index: usize| {
        if index >= tiles.len() {
            return;
        }
        let lines = lines[index * lines_of::<T>()..].as_ptr().cast();
        // SAFETY: the caller's; a span of a whole block lies as tiles take it.
        unsafe {
            let x = x.span(first, span + index).integers();
            if is_long::<T>() { amx.begin_long(lines, x) } else { amx.begin_short(index % 2 == 1, lines, x) }
        }
    };
    let finish = |index: usize| {
        let made = made[index % 2].cast();
        // SAFETY: what is finished was begun.
        unsafe {
            match index < tiles.len() {
                true if is_long::<T>() => amx.finish_long(made),
                true => amx.finish_short(index % 2 == 1, made.cast()),
                false => (),
            }
        }
    };
    // Tiles are at a next span while vectors are at this one. A long one keeps them busy; of short ones, one waits, made, and
    // one is being made.
    let ahead = if is_long::<T>() { 0 } else { 1 };
    begin(0);
    if ahead > 0 {
        begin(1);
        finish(0);
        begin(2);
    }
    for (index, tile) in tiles.iter().enumerate() {
        finish(index + ahead);
        begin(index + 2 * ahead + 1);
        let dots = made[index % 2].cast_const();
        // SAFETY: the caller's; all dots that are read were written.
        unsafe {
            let dot_of = |m: usize| {
                let low = _mm512_load_si512((&raw const (*dots).0[0][m]).cast());
                if !is_long::<T>() {
                    return low;
                }
                let high = _mm512_load_si512((&raw const (*dots).0[1][m]).cast());
                _mm512_add_epi32(low, _mm512_slli_epi32::<8>(high))
            };
            vnni::add_span::<T, TILE_ROWS>(tile, half, &x.span(first, span + index), dot_of, &mut sums);
        }
    }
    for (sum, out) in sums.into_iter().zip(out) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(out.as_chunks_mut::<HALF>().0[half].as_mut_ptr(), sum) };
    }
}
