//! An element of keys and values in eight bits: 32 integers under one scale, as GGML's blocks have them, in 34 bytes.

use super::element::{Element, Rounded};
use super::simd::vectorized;
use half::f16;

/// Numbers of a block.
const WIDTH: usize = 32;
/// The largest integer.
const MOST: f32 = 127.0;

/// A block: each number is the scale times its integer.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct EightBits {
    scale: f16,
    codes: [i8; WIDTH],
}

impl Element for EightBits {
    const WIDTH: usize = WIDTH;

    fn to_f32(from: &[Self], to: &mut [f32]) {
        let (to, rest) = to.as_chunks_mut::<WIDTH>();
        assert!(from.len() == to.len() && rest.is_empty(), "elements of two rows");
        vectorized(
            #[inline(always)]
            || {
                for (block, to) in from.iter().zip(to) {
                    let scale = block.scale.to_f32();
                    to.iter_mut().zip(&block.codes).for_each(|(to, code)| *to = scale * f32::from(*code));
                }
            },
        );
    }
}

// SAFETY: zero bytes are the scale 0 and integers 0.
unsafe impl Rounded for EightBits {
    fn round(from: &[f32], to: &mut [Self]) {
        let (from, rest) = from.as_chunks::<WIDTH>();
        assert!(from.len() == to.len() && rest.is_empty(), "elements of two rows");
        vectorized(
            #[inline(always)]
            || from.iter().zip(to).for_each(|(from, to)| *to = rounded(from)),
        );
    }
}

#[inline(always)]
fn rounded(from: &[f32; WIDTH]) -> EightBits {
    let most = f16::MAX.to_f32() * MOST;
    let mut largest = [0.0f32; 8];
    for eight in from.as_chunks::<8>().0 {
        for (largest, value) in largest.iter_mut().zip(eight) {
            // Not `max`, which would pass over what is no number.
            *largest = if value.abs() > *largest || value.is_nan() { value.abs() } else { *largest };
        }
    }
    let is_nan = largest.iter().any(|value| value.is_nan());
    let scale = largest.iter().fold(0.0f32, |most, value| most.max(*value)).min(most) / MOST;
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut codes = [0; WIDTH];
    for (code, value) in codes.iter_mut().zip(from) {
        *code = (value.clamp(-most, most) * inverse).round_ties_even() as i8;
    }
    EightBits { scale: if is_nan { f16::NAN } else { f16::from_f32(scale) }, codes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(given: &[f32]) -> Vec<f32> {
        let (mut blocks, mut found) =
            (vec![EightBits { scale: f16::ONE, codes: [1; WIDTH] }; given.len() / WIDTH], vec![9.0; given.len()]);
        EightBits::round(given, &mut blocks);
        EightBits::to_f32(&blocks, &mut found);
        found
    }

    #[test]
    fn numbers_are_rounded_to_a_127th_of_the_largest() {
        let given: Vec<f32> =
            (0..96u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect();
        for (given, found) in given.chunks(WIDTH).zip(found(&given).chunks(WIDTH)) {
            let largest = given.iter().fold(0.0f32, |most, value| most.max(value.abs()));
            for (given, found) in given.iter().zip(found) {
                // Half a step, and what f16 makes of the scale.
                assert!((given - found).abs() <= largest / 127.0 * 0.5 + largest / 2048.0, "{given} {found}");
            }
        }
        assert_eq!(size_of::<EightBits>(), 34);
    }

    #[test]
    fn blocks_are_those_of_ggml() {
        use candle_core::quantized::{GgmlDType, QTensor};
        let given: Vec<f32> =
            (0..256u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0).collect();
        let tensor = candle_core::Tensor::new(&given[..], &candle_core::Device::Cpu).unwrap();
        let ggml = QTensor::quantize(&tensor, GgmlDType::Q8_0).unwrap().dequantize(&candle_core::Device::Cpu).unwrap();
        assert_eq!(found(&given), ggml.to_vec1::<f32>().unwrap());
    }

    #[test]
    fn extremes_stay_finite_and_what_is_no_number_stays_none() {
        let mut given = [0.0; 4 * WIDTH];
        given[WIDTH + 3] = f32::INFINITY;
        given[WIDTH + 4] = -1e30;
        given[2 * WIDTH] = f32::NAN;
        given[2 * WIDTH + 8] = 5.0;
        given[3 * WIDTH] = 1e-30;
        let found = found(&given);
        assert_eq!(found[..WIDTH], [0.0; WIDTH]);
        assert_eq!((found[WIDTH + 3], found[WIDTH + 4], found[WIDTH]), (65504.0 * 127.0, -65504.0 * 127.0, 0.0));
        assert!(found[2 * WIDTH..3 * WIDTH].iter().all(|value| value.is_nan()));
        assert_eq!(found[3 * WIDTH..], [0.0; WIDTH]);
    }
}
