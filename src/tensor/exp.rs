//! `eˣ` in a form that compilers vectorise, and the two sums that softmax needs of it.

/// Independent partial results: as many as the widest vector has lanes.
const LANES: usize = 16;

/// `eˣ` by range reduction with ln 2 and a degree-6 polynomial (relative error below 4e-7; saturates instead of
/// overflowing).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to the nearest integer
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln 2 in two parts, so that the reduction loses no bits (Cody & Waite).
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p =
        1.0 + r * (1.0 + r * (0.5 + r * (1.666_666_6e-1 + r * (4.166_668e-2 + r * (8.333_45e-3 + r * 1.388_9e-3)))));
    // The low bits of `shifted` are n; a cast would saturate, which costs more than all the rest.
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    p * f32::from_bits(power)
}

/// The largest element; −∞ of none.
#[inline(always)]
pub(crate) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = if *x > *lane { *x } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// Replaces each `x` by `exp(x − max)` and returns their sum.
#[inline(always)]
pub(crate) fn exp_sum(row: &mut [f32], max: f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *x = exp(*x - max);
            *lane += *x;
        }
    }
    let mut sum = 0.0f32;
    for x in rest {
        *x = exp(*x - max);
        sum += *x;
    }
    sum + lanes.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_and_saturates() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) - exact).abs() <= 4e-7 * exact, "exp({x}) = {}", exp(x));
        }
        assert!(exp(1e30).is_finite() && exp(-1e30) >= 0.0 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn sums_take_every_element() {
        for len in [1, 15, 16, 50] {
            let row: Vec<f32> = (0..len).map(|i| ((i * 7) % len) as f32 / 9.0 - 1.0).collect();
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&row), max);
            let exact: f64 = row.iter().map(|x| f64::from(x - max).exp()).sum();
            assert!((f64::from(exp_sum(&mut row.clone(), max)) - exact).abs() < 1e-6 * exact);
        }
    }
}
