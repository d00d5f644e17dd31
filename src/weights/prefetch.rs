//! Asking for weights before a product needs them. With one row of activations each weight is read once, as fast as memory
//! gives it; what a CPU fetches ahead by itself ends with every page, and misses lines that are not read in their order.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes of a line of the cache.
const LINE: usize = 64;

/// Bytes between what is multiplied and what is asked for meanwhile, in whole `T`.
const fn distance<T>() -> usize {
    const LEAST: usize = 2048;
    LEAST.div_ceil(size_of::<T>()) * size_of::<T>()
}

/// Asks for one of `parts` parts of what follows some way behind `of`, and is as large. There need not be anything.
#[inline(always)]
pub(super) fn ahead<T>(of: &T, part: usize, parts: usize) {
    let lines = size_of::<T>().div_ceil(LINE);
    let first = std::ptr::from_ref(of).cast::<i8>().wrapping_add(distance::<T>());
    for line in lines * part / parts..lines * (part + 1) / parts {
        // SAFETY: a hint reads nothing, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(line * LINE)) };
    }
}
