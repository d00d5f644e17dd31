//! Judges for operators: finite differences and closeness, in f64 where it matters.

use super::test_device::device;
use candle_core::{Device, Shape, Tensor};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Deterministic, roughly normal f32 values, on the device of the tests.
pub(crate) fn normal(shape: impl Into<Shape>, seed: u64) -> Tensor {
    normal_on_cpu(shape, seed).to_device(&device()).unwrap()
}

/// The same values in host memory.
pub(super) fn normal_on_cpu(shape: impl Into<Shape>, seed: u64) -> Tensor {
    let shape = shape.into();
    let mut rng = StdRng::seed_from_u64(seed);
    let data: Vec<f32> =
        (0..shape.elem_count()).map(|_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Largest difference over largest magnitude of `expected`.
pub(crate) fn relative_error(actual: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(actual.dims(), expected.dims());
    let (a, e) = (flat(actual), flat(expected));
    let scale = e.iter().fold(1e-12f64, |m, v| m.max(f64::from(v.abs())));
    let worst = a
        .iter()
        .zip(&e)
        .map(|(a, e)| f64::from((a - e).abs()))
        .fold(0.0, |m: f64, d| if d.is_nan() { d } else { m.max(d) });
    worst / scale
}

pub(crate) fn assert_close(actual: &Tensor, expected: &Tensor, tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "relative error {error:e} exceeds {tolerance:e}");
}

/// Compares `dx` with central differences of `Σ f(x) · dy` along random directions.
pub(crate) fn check_gradient(x: &Tensor, dx: &Tensor, dy: &Tensor, f: impl Fn(&Tensor) -> Tensor) {
    let objective =
        |x: &Tensor| -> f64 { flat(&f(x)).iter().zip(flat(dy)).map(|(y, d)| f64::from(*y) * f64::from(d)).sum() };
    for seed in 0..4 {
        let direction = normal(x.shape().clone(), 100 + seed);
        let h = 1e-2;
        let step = (&direction * h).unwrap();
        let numeric = (objective(&(x + &step).unwrap()) - objective(&(x - &step).unwrap())) / (2.0 * h);
        let analytic: f64 = flat(dx).iter().zip(flat(&direction)).map(|(g, d)| f64::from(*g) * f64::from(d)).sum();
        let scale = flat(dx).iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt().max(1.0);
        assert!(
            (numeric - analytic).abs() <= 4e-3 * scale * (1.0 + (x.elem_count() as f64).sqrt() * 0.05),
            "direction {seed}: finite difference {numeric}, gradient {analytic}"
        );
    }
}
