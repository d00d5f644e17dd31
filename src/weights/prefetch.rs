//! Asking for weights before a product needs them. With one row of activations each weight is read once, as fast as memory
//! gives it; what a CPU fetches ahead by itself ends with every page, and products keep it from looking far enough ahead.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

/// Bytes of a line of the cache.
pub(super) const LINE: usize = 64;
/// Bytes between what is multiplied and what is asked for meanwhile.
const DISTANCE: usize = 8192;

/// Asks for what follows `DISTANCE` behind `of`, and is as large. There need not be anything. It is brought into the second
/// cache: the first one can wait for fewer lines at a time than memory needs to be asked for.
#[inline(always)]
pub(super) fn ahead<T>(of: &T) {
    for index in 0..size_of::<T>().div_ceil(LINE) {
        line(of, DISTANCE + index * LINE);
    }
}

/// Asks for one line, so many bytes behind the beginning of what is there.
#[inline(always)]
pub(super) fn line<T>(first: *const T, distance: usize) {
    // SAFETY: a hint reads nothing, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(first.cast::<i8>().wrapping_add(distance)) };
}
