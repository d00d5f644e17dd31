//! `eˣ` in a form that compilers vectorise, and the sums that softmax needs of it.

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

/// `eˣ` as [`exp`], in f64 (relative error below 1e-15).
#[inline(always)]
fn exp64(x: f64) -> f64 {
    const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
    let x = x.clamp(-700.0, 700.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_147_180_369_123_8) - n * 1.908_214_929_270_587_7e-10;
    // The series in three parts: a chain of thirteen would wait for itself.
    let low = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0))));
    let mid = 1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5_040.0 + r * (1.0 / 40_320.0)));
    let high = 1.0 / 362_880.0 + r * (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0 + r * (1.0 / 479_001_600.0)));
    let r4 = r * r * (r * r);
    let p = low + r4 * r * (mid + r4 * high);
    p * f64::from_bits(shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(1023) << 52)
}

/// `Σ exp((x − max) · scale)`, in f64.
#[inline(always)]
pub(crate) fn exp_sum_f64(row: &[f32], max: f32, scale: f64) -> f64 {
    let max = f64::from(max);
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += exp64((f64::from(*x) - max) * scale);
        }
    }
    let mut sum = 0.0;
    for x in rest {
        sum += exp64((f64::from(*x) - max) * scale);
    }
    sum + lanes.iter().sum::<f64>()
}

/// `Σ exp(x − max)` of a long row: in f32, but for what the sums of its blocks add up to.
#[inline(always)]
pub(crate) fn exp_sum_long(row: &[f32], max: f32) -> f64 {
    let mut sum = 0.0f64;
    for block in row.chunks(64 * LANES) {
        let mut lanes = [0.0f32; LANES];
        let (chunks, rest) = block.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, x) in lanes.iter_mut().zip(chunk) {
                *lane += exp(*x - max);
            }
        }
        let mut of_rest = 0.0f32;
        for x in rest {
            of_rest += exp(*x - max);
        }
        sum += f64::from(of_rest + lanes.iter().sum::<f32>());
    }
    sum
}

/// Whether all elements are numbers below +∞.
#[inline(always)]
pub(crate) fn all_below_infinity(row: &[f32]) -> bool {
    let mut lanes = [true; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane &= *x < f32::INFINITY;
        }
    }
    lanes.iter().all(|lane| *lane) && rest.iter().all(|x| *x < f32::INFINITY)
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
    fn exp_in_f64_is_accurate() {
        for i in -70_000..70_000 {
            let x = f64::from(i) / 100.0 + 1e-7;
            assert!((exp64(x) - x.exp()).abs() <= 1e-15 * x.exp(), "exp({x}) = {}", exp64(x));
        }
        assert!(exp64(f64::NEG_INFINITY) < 1e-300 && exp64(f64::NAN).is_nan());
    }

    #[test]
    fn sums_take_every_element() {
        for len in [1, 15, 16, 50, 5_000] {
            let row: Vec<f32> = (0..len).map(|i| ((i * 7) % len) as f32 / 9.0 - 1.0).collect();
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(largest(&row), max);
            let exact: f64 = row.iter().map(|x| f64::from(x - max).exp()).sum();
            assert!((f64::from(exp_sum(&mut row.clone(), max)) - exact).abs() < 1e-6 * exact);
            assert!((exp_sum_long(&row, max) - exact).abs() < 1e-6 * exact);
            let halved: f64 = row.iter().map(|&x| ((f64::from(x) - f64::from(max)) / 2.0).exp()).sum();
            assert!((exp_sum_f64(&row, max, 0.5) - halved).abs() < 1e-12 * halved);
            for bad in [f32::NAN, f32::INFINITY] {
                let mut row = row.clone();
                assert!(all_below_infinity(&row));
                row[len / 2] = bad;
                assert!(!all_below_infinity(&row));
            }
        }
    }
}
