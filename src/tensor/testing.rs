//! Judges for what computes with matrices: finite differences and closeness, in f64 where it matters.

use super::{Device, DeviceChoice, Matrix};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Deterministic, roughly normal values.
pub(crate) fn normal_values(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..count).map(|_| (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0).collect()
}

/// The same as a matrix in host memory.
pub(crate) fn normal(rows: usize, cols: usize, seed: u64) -> Matrix {
    Matrix::new(rows, cols, normal_values(rows * cols, seed), &Device::host()).unwrap()
}

impl Matrix {
    /// A copy on a device.
    pub(crate) fn to(&self, device: &Device) -> crate::error::Result<Matrix> {
        Matrix::new(self.rows(), self.cols(), self.values()?, device)
    }
}

pub(crate) fn flat(matrix: &Matrix) -> Vec<f32> {
    matrix.values().unwrap()
}

/// Largest difference over largest magnitude of `expected`.
pub(crate) fn relative_error(actual: &Matrix, expected: &Matrix) -> f64 {
    error_beside(1e-12, actual, expected)
}

/// The same, where what is smaller than `least` counts as that: sums that cancel to nothing.
pub(crate) fn error_beside(least: f64, actual: &Matrix, expected: &Matrix) -> f64 {
    assert_eq!(actual.shape(), expected.shape());
    let (a, e) = (flat(actual), flat(expected));
    let scale = e.iter().fold(least, |m, v| m.max(f64::from(v.abs())));
    let worst = a
        .iter()
        .zip(&e)
        .map(|(a, e)| f64::from((a - e).abs()))
        .fold(0.0, |m: f64, d| if d.is_nan() { d } else { m.max(d) });
    worst / scale
}

#[track_caller]
pub(crate) fn assert_close(actual: &Matrix, expected: &Matrix, tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "relative error {error:e} exceeds {tolerance:e}");
}

/// Compares `dx` with central differences of `Σ f(x) · dy` along random directions.
#[track_caller]
pub(crate) fn check_gradient(x: &Matrix, dx: &Matrix, dy: &Matrix, f: impl Fn(&Matrix) -> Matrix) {
    let dot = |a: &Matrix, b: &Matrix| -> f64 {
        flat(a).iter().zip(flat(b)).map(|(a, b)| f64::from(*a) * f64::from(b)).sum()
    };
    for seed in 0..4 {
        let direction = normal(x.rows(), x.cols(), 100 + seed).to(&x.device()).unwrap();
        let h = 1e-2;
        let moved = |by: f64| {
            let (mut moved, mut step) = (x.duplicate().unwrap(), direction.duplicate().unwrap());
            step.scale(by).unwrap();
            moved.add(&step).unwrap();
            dot(&f(&moved), dy)
        };
        let numeric = (moved(h) - moved(-h)) / (2.0 * h);
        let analytic = dot(dx, &direction);
        let scale = flat(dx).iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt().max(1.0);
        assert!(
            (numeric - analytic).abs() <= 4e-3 * scale * (1.0 + (x.len() as f64).sqrt() * 0.05),
            "direction {seed}: finite difference {numeric}, gradient {analytic}"
        );
    }
}

/// Every device that operators are tested on: host memory, the composed forms alone, and the GPU that
/// `TAILORA_TEST_DEVICE` names, as in `cuda:0`.
pub(crate) fn devices() -> Vec<Device> {
    let mut devices = vec![Device::host(), Device::reference()];
    if let Ok(name) = std::env::var("TAILORA_TEST_DEVICE") {
        devices.push(DeviceChoice::try_from(name).unwrap().open().unwrap());
    }
    devices
}
