//! f16 as an element of keys and values: half the bytes of f32.

use super::element::{Element, Rounded};
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Elements that are rounded together.
const PIECE: usize = 64;

impl Element for f16 {
    const WIDTH: usize = 1;

    fn to_f32(from: &[f16], to: &mut [f32]) {
        assert_eq!(from.len(), to.len(), "elements of two rows");
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx") && is_x86_feature_detected!("f16c") {
            // SAFETY: the CPU has both.
            return unsafe { to_f32_f16c(from, to) };
        }
        from.convert_to_f32_slice(to);
    }
}

// SAFETY: zero bytes are the number 0.
unsafe impl Rounded for f16 {
    fn round(from: &[f32], to: &mut [f16]) {
        for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
            let mut in_range = [0.0; PIECE];
            let (most, in_range) = (f16::MAX.to_f32(), &mut in_range[..from.len()]);
            in_range.iter_mut().zip(from).for_each(|(to, from)| *to = from.clamp(-most, most));
            to.convert_from_f32_slice(in_range);
        }
    }
}

/// A row in one loop: `half` has a function of its own for every eight elements, which is not inlined.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx,f16c")]
fn to_f32_f16c(from: &[f16], to: &mut [f32]) {
    use std::arch::x86_64::{_mm_loadu_si128, _mm256_cvtph_ps, _mm256_storeu_ps};
    let ((eights, rest), (to, to_rest)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
    for (from, to) in eights.iter().zip(to) {
        // SAFETY: eight numbers of 16 bits, eight of 32.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast()))) };
    }
    rest.iter().zip(to_rest).for_each(|(from, to)| *to = from.to_f32());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_nearest_and_stay_finite() {
        let given = [1.0, 1.0 + 2f32.powi(-12), -2049.0, 1e9, -f32::INFINITY, f32::NAN];
        let (mut rounded, mut found) = ([f16::ZERO; 6], [0.0f32; 6]);
        f16::round(&given, &mut rounded);
        <f16 as Element>::to_f32(&rounded, &mut found);
        assert_eq!(found[..5], [1.0, 1.0, -2048.0, 65504.0, -65504.0]);
        assert!(found[5].is_nan(), "what is no number stays none");
    }

    #[test]
    fn every_number_of_f16_is_the_same_in_f32() {
        let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
        for part in [&all[..], &all[1..], &all[..7]] {
            let mut found = vec![0.0; part.len()];
            Element::to_f32(part, &mut found);
            let same = |(found, from): (&f32, &f16)| found.to_bits() == from.to_f32().to_bits() || found.is_nan();
            assert!(found.iter().zip(part).all(same));
        }
    }
}
