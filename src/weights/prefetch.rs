//! Asking for weights before a product needs them. With one row of activations each weight is read once, as fast as memory
//! gives it; what a CPU fetches ahead by itself ends with every page, and products keep it from looking far enough ahead.

use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// Bytes between what is multiplied and what is asked for meanwhile.
const DISTANCE: usize = 8192;

/// Asks for what follows `DISTANCE` behind `of`, and is as large. There need not be anything. It is brought into the second
/// cache: the first one can wait for fewer lines at a time than memory needs to be asked for.
#[inline(always)]
pub(super) fn ahead<T>(of: &T) {
    ahead_by(DISTANCE, of);
}

/// The same, so many bytes behind.
#[inline(always)]
pub(super) fn ahead_by<T: ?Sized>(distance: usize, of: &T) {
    let first = std::ptr::from_ref(of).cast::<i8>().wrapping_add(distance);
    for line in 0..size_of_val(of).div_ceil(LINE) {
        // SAFETY: a hint reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(first.wrapping_add(line * LINE)) };
    }
}
