//! Logistic regression (Platt 1999): from signals to the probability of being right.

/// Of the signals.
const N: usize = 3;
/// Weight of the penalty on the squared weights: with few conclusions, a signal is not believed at once.
const RIDGE: f64 = 0.5;
const NEWTON_STEPS: usize = 50;

/// Weights of the signals and what is added to their sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Logistic {
    pub(super) weights: [f64; N],
    pub(super) intercept: f64,
}

impl Logistic {
    /// Fits signals to what was right. No weight is negative: being surer never speaks against a conclusion.
    pub(super) fn fit(rows: &[([f64; N], bool)]) -> Self {
        let mut used = [true; N];
        loop {
            let fitted = newton(rows, used);
            let negative = (0..N).filter(|&at| fitted.weights[at] < 0.0);
            match negative.min_by(|&a, &b| fitted.weights[a].total_cmp(&fitted.weights[b])) {
                Some(worst) => used[worst] = false,
                None => return fitted,
            }
        }
    }

    pub(super) fn sum(&self, features: [f64; N]) -> f64 {
        self.weights.iter().zip(features).map(|(weight, feature)| weight * feature).sum::<f64>() + self.intercept
    }

    pub(super) fn probability(&self, features: [f64; N]) -> f64 {
        1.0 / (1.0 + (-self.sum(features)).exp())
    }
}

/// Newton's method. The targets are Platt's, which are never quite 0 or 1.
fn newton(rows: &[([f64; N], bool)], used: [bool; N]) -> Logistic {
    let right = rows.iter().filter(|(_, right)| *right).count() as f64;
    let wrong = rows.len() as f64 - right;
    let (high, low) = ((right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0));
    let prior = (right + 1.0) / (rows.len() as f64 + 2.0);
    let mut model = Logistic { weights: [0.0; N], intercept: (prior / (1.0 - prior)).ln() };
    for _ in 0..NEWTON_STEPS {
        let (mut gradient, mut hessian) = ([0.0; N + 1], [[0.0; N + 1]; N + 1]);
        for at in 0..N {
            gradient[at] = RIDGE * model.weights[at];
            hessian[at][at] = RIDGE;
        }
        for (features, right) in rows {
            let p = model.probability(*features);
            let target = if *right { high } else { low };
            let row = [features[0], features[1], features[2], 1.0];
            for (i, a) in row.iter().enumerate() {
                gradient[i] += a * (p - target);
                for (j, b) in row.iter().enumerate() {
                    hessian[i][j] += a * b * (p * (1.0 - p)).max(1e-6);
                }
            }
        }
        for at in (0..N).filter(|&at| !used[at]) {
            gradient[at] = 0.0;
            hessian[at] = [0.0; N + 1];
            hessian.iter_mut().for_each(|row| row[at] = 0.0);
            hessian[at][at] = 1.0;
        }
        let step = solve(hessian, gradient);
        // A long step could overshoot where the curve is flat.
        let length = step.iter().map(|part| part.abs()).fold(0.0, f64::max);
        let shorten = (2.0 / length.max(1e-12)).min(1.0);
        (0..N).for_each(|at| model.weights[at] -= shorten * step[at]);
        model.intercept -= shorten * step[N];
        if length < 1e-9 {
            break;
        }
    }
    model
}

/// Solves a small system by elimination; a place without a pivot stays 0.
fn solve(mut a: [[f64; N + 1]; N + 1], mut b: [f64; N + 1]) -> [f64; N + 1] {
    for column in 0..=N {
        let pivot = (column..=N).max_by(|&i, &j| a[i][column].abs().total_cmp(&a[j][column].abs())).unwrap_or(column);
        a.swap(column, pivot);
        b.swap(column, pivot);
        if a[column][column].abs() < 1e-12 {
            continue;
        }
        for row in column + 1..=N {
            let factor = a[row][column] / a[column][column];
            let above = a[column];
            a[row].iter_mut().zip(above).skip(column).for_each(|(here, above)| *here -= factor * above);
            b[row] -= factor * b[column];
        }
    }
    let mut x = [0.0; N + 1];
    for row in (0..=N).rev() {
        let known: f64 = (row + 1..=N).map(|at| a[row][at] * x[at]).sum();
        if a[row][row].abs() >= 1e-12 {
            x[row] = (b[row] - known) / a[row][row];
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    #[test]
    fn the_rule_behind_the_rows_is_found() {
        let mut rng = StdRng::seed_from_u64(3);
        let rows: Vec<_> = (0..4000)
            .map(|_| {
                let features = [-3.0 * rng.random::<f64>(), -rng.random::<f64>(), rng.random::<f64>()];
                let p = 1.0 / (1.0 + (-(1.5 * features[0] + 2.0 * features[2] + 0.7)).exp());
                (features, rng.random::<f64>() < p)
            })
            .collect();
        let found = Logistic::fit(&rows);
        for (found, expected) in found.weights.iter().chain([&found.intercept]).zip([1.5, 0.0, 2.0, 0.7]) {
            assert!((found - expected).abs() < 0.35, "{found} instead of {expected}");
        }
        assert!(found.weights.iter().all(|weight| *weight >= 0.0));
    }

    #[test]
    fn extremes_give_finite_numbers() {
        for rows in [
            vec![],
            vec![([0.0, 0.0, 1.0], true)],
            vec![([-10.0, -10.0, 0.0], false); 50],
            (0..60).map(|at| ([if at < 30 { -9.0 } else { 0.0 }, 0.0, 1.0], at >= 30)).collect(),
        ] {
            let fitted = Logistic::fit(&rows);
            let p = fitted.probability([-1.0, -1.0, 0.5]);
            assert!(p > 0.0 && p < 1.0 && fitted.weights.iter().all(|weight| weight.is_finite()), "{fitted:?}");
        }
    }
}
