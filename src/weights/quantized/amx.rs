//! Products of 8-bit integers in AMX's tiles: of sixteen rows with sixteen outputs at a time, in the same integers as vectors
//! make them. Weights are first written as signed bytes; where inputs have integer scales, as the two bytes of their products
//! with them, so that the sums of a whole span need no vectors between. For few rows that costs more than it gains: codes that
//! lie in tiles are then read where they are, and vectors subtract what they stand for zero.

use super::tile::{HALF, OUTPUTS, Tile};
use super::vnni;
use crate::weights::amx::{DEPTH, Dots, TILE_ROWS, Tiles};
use crate::weights::eight_bits::{Activations, GROUP};
use crate::weights::prefetch::{self, LINE};
use std::arch::x86_64::*;
use std::mem::MaybeUninit;

/// Lines of sixteen outputs that are written before they meet the rows: they, and the activations of some hundred rows that meet
/// them, stay in a core's caches.
const LINES: usize = 512;

/// Rows up to which codes are read where they lie.
const FEW: usize = 3 * TILE_ROWS;
/// Tiles whose codes are read where they lie before the other half of their outputs is: while they meet the first rows, memory is
/// asked for as many further on.
const AT_ONCE: usize = 32;

/// Of a row.
pub(super) type Sums = MaybeUninit<[f32; OUTPUTS]>;

/// Four bytes of sixteen outputs.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Bytes([[u8; GROUP]; HALF]);

/// `[low or high byte]`
#[repr(C, align(64))]
struct Made([Dots; 2]);

/// The products of the rows from `first` on, which begins a block, with a row of tiles: all of `sums` is written.
///
/// # Safety
/// The CPU has AMX and what belongs to it; `x` is in its order, and has as many rows from `first` on as there are sums, of as many
/// spans as there are tiles, of which there is one.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn product<T: Tile>(tiles: &[T], x: &Activations, first: usize, sums: &mut [Sums]) {
    // What codes that are read in place stand for zero is subtracted as `less_128`.
    const { assert!(!T::LIES_IN_TILES || (T::ZERO == 128 && T::SPAN == T::SUB)) };
    let mut made = [const { MaybeUninit::<Made>::uninit() }; 2];
    let made = made.each_mut().map(|made| made.as_mut_ptr());
    // SAFETY: the caller's; no other tiles live beside these.
    let amx = unsafe { Tiles::set_up([TILE_ROWS; 2], DEPTH.min(T::SPAN / GROUP)) };
    if T::LIES_IN_TILES && sums.len() <= FEW {
        for (chunk, tiles) in tiles.chunks(AT_ONCE).enumerate() {
            for half in 0..OUTPUTS / HALF {
                for (block, sums) in sums.chunks_mut(TILE_ROWS).enumerate() {
                    let (row, span) = (first + block * TILE_ROWS, chunk * AT_ONCE);
                    // SAFETY: the caller's; the chunk's spans begin there.
                    unsafe { Spans::<T, true> { amx: &amx, tiles, lines: &[], x, row, span, made }.add(half, sums) };
                }
            }
        }
        return;
    }
    let mut lines = [const { MaybeUninit::<Bytes>::uninit() }; LINES];
    let at_once = LINES / lines_of::<T>();
    for (chunk, tiles) in tiles.chunks(at_once).enumerate() {
        for half in 0..OUTPUTS / HALF {
            for (tile, lines) in tiles.iter().zip(lines.chunks_exact_mut(lines_of::<T>())) {
                // SAFETY: the caller's.
                unsafe { write(tile, half, lines) };
            }
            for (block, sums) in sums.chunks_mut(TILE_ROWS).enumerate() {
                let (row, span) = (first + block * TILE_ROWS, chunk * at_once);
                // SAFETY: the caller's; the chunk's spans begin there.
                unsafe { Spans::<T, false> { amx: &amx, tiles, lines: &lines, x, row, span, made }.add(half, sums) };
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

/// Spans of a block of rows that meet tiles, one after another: in lines that were written, or `IN_PLACE`.
struct Spans<'a, T, const IN_PLACE: bool> {
    amx: &'a Tiles,
    tiles: &'a [T],
    /// Those of the tiles, where they were written.
    lines: &'a [MaybeUninit<Bytes>],
    x: &'a Activations,
    /// The first row of the block.
    row: usize,
    /// The span that meets the first tile.
    span: usize,
    /// Of a span and of the next.
    made: [*mut Made; 2],
}

impl<T: Tile, const IN_PLACE: bool> Spans<'_, T, IN_PLACE> {
    /// Begins the dots of a span, if there is one.
    ///
    /// # Safety
    /// As for `product`, and for what is written in the fields.
    #[inline(always)]
    unsafe fn begin(&self, half: usize, index: usize) {
        let Some(tile) = self.tiles.get(index) else { return };
        // SAFETY: the caller's; a span of a whole block lies as tiles take it.
        unsafe {
            let x = self.x.span(self.row, self.span + index).integers();
            if IN_PLACE {
                return self.amx.begin_short::<false>(index % 2 == 1, tile.lines(half).as_ptr().cast(), x);
            }
            let lines = self.lines[index * lines_of::<T>()..].as_ptr().cast();
            match is_long::<T>() {
                true => self.amx.begin_long(lines, x),
                false => self.amx.begin_short::<true>(index % 2 == 1, lines, x),
            }
        }
    }

    /// Writes the dots of a span, if there is one.
    ///
    /// # Safety
    /// They were begun.
    #[inline(always)]
    unsafe fn finish(&self, index: usize) {
        let made = self.made[index % 2].cast();
        // SAFETY: the caller's.
        unsafe {
            match index < self.tiles.len() {
                true if is_long::<T>() => self.amx.finish_long(made),
                true => self.amx.finish_short(index % 2 == 1, made.cast()),
                false => (),
            }
        }
    }

    /// Asks memory for what lies a chunk further on, in its order, whatever the order in which it is used: half of it while the
    /// chunk meets the rows with the first half of its outputs. A line at a time, between the rows of a span: asked for together,
    /// they would keep what is needed next waiting.
    #[inline(always)]
    fn ask(&self, half: usize, index: usize, row: usize) {
        const EVERY: usize = 2;
        let (all, first) = (size_of::<T>() / LINE, TILE_ROWS / EVERY);
        let before = if half == 0 { index * first } else { self.tiles.len() * first + index * (all - first) };
        let ahead =
            |line: usize| prefetch::line(self.tiles.as_ptr(), AT_ONCE * size_of::<T>() + (before + line) * LINE);
        if row.is_multiple_of(EVERY) {
            ahead(row / EVERY);
        }
        if half > 0 && row == 0 {
            (first..all - first).for_each(ahead);
        }
    }

    /// The dots of a row of a span.
    ///
    /// # Safety
    /// They were written, and the dots of no more than one span after them.
    #[target_feature(enable = "avx512f")]
    #[inline]
    unsafe fn dot(&self, index: usize, row: usize) -> __m512i {
        let made = self.made[index % 2].cast_const();
        // SAFETY: the caller's.
        unsafe {
            let low = _mm512_load_si512((&raw const (*made).0[0][row]).cast());
            if IN_PLACE {
                let zero = self.x.span(self.row, self.span + index).less_128(row);
                return _mm512_add_epi32(low, _mm512_set1_epi32(zero));
            }
            if !is_long::<T>() {
                return low;
            }
            _mm512_add_epi32(low, _mm512_slli_epi32::<8>(_mm512_load_si512((&raw const (*made).0[1][row]).cast())))
        }
    }

    /// Adds the products with outputs `16 · half ..` to the sums of each row, which begin with the first span.
    ///
    /// # Safety
    /// As for `begin`; sums that were begun are there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn add(&self, half: usize, out: &mut [Sums]) {
        // SAFETY: the caller's.
        unsafe {
            match IN_PLACE && self.row < TILE_ROWS {
                true => self.add_and::<true>(half, out),
                false => self.add_and::<false>(half, out),
            }
        }
    }

    /// The same, and asks for what comes next, or not.
    ///
    /// # Safety
    /// As for `begin`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    unsafe fn add_and<const ASKS: bool>(&self, half: usize, out: &mut [Sums]) {
        let mut sums = [_mm512_setzero_ps(); TILE_ROWS];
        if self.span > 0 {
            for (sum, out) in sums.iter_mut().zip(&*out) {
                // SAFETY: the caller's; as many elements as a vector has.
                *sum = unsafe { _mm512_loadu_ps(out.as_ptr().cast::<f32>().add(half * HALF)) };
            }
        }
        // Tiles are at a next span while vectors are at this one. A long one keeps them busy; of short ones, one waits, made,
        // and one is being made.
        let ahead = if is_long::<T>() { 0 } else { 1 };
        // SAFETY: the caller's; what is finished was begun, and what is read was finished.
        unsafe {
            self.begin(half, 0);
            if ahead > 0 {
                self.begin(half, 1);
                self.finish(0);
                self.begin(half, 2);
            }
            for (index, tile) in self.tiles.iter().enumerate() {
                self.finish(index + ahead);
                self.begin(half, index + 2 * ahead + 1);
                let x = self.x.span(self.row, self.span + index);
                let dot = |row| {
                    if ASKS {
                        self.ask(half, index, row);
                    }
                    self.dot(index, row)
                };
                vnni::add_span::<T, TILE_ROWS>(tile, half, &x, dot, &mut sums);
            }
        }
        for (sum, out) in sums.into_iter().zip(out) {
            // SAFETY: as above.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr().cast::<f32>().add(half * HALF), sum) };
        }
    }
}
