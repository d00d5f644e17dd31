//! The learning rate at each optimizer step, number for number as in transformers (`optimization.py`).

use crate::train::options::{SchedulerType, TrainOptions};
use std::f64::consts::PI;

/// Warm-up from zero, then one of three shapes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LrSchedule {
    kind: SchedulerType,
    peak: f64,
    warmup_steps: u64,
    total_steps: u64,
}

impl LrSchedule {
    /// A schedule over `total_steps` optimizer steps. As in transformers, `warmup_steps` wins over `warmup_ratio`, and a
    /// ratio is rounded up to whole steps.
    pub(crate) fn new(options: &TrainOptions, total_steps: u64) -> Self {
        let warmup_steps = match options.warmup_steps {
            0 => (total_steps as f64 * options.warmup_ratio).ceil() as u64,
            steps => steps,
        };
        LrSchedule { kind: options.lr_scheduler_type, peak: options.learning_rate, warmup_steps, total_steps }
    }

    /// The learning rate of step `step`, counted from 0. With a warm-up, step 0 has none, and so changes nothing.
    pub(crate) fn at(&self, step: u64) -> f64 {
        self.peak * self.factor(step)
    }

    fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return step as f64 / self.warmup_steps as f64;
        }
        let length = self.total_steps.saturating_sub(self.warmup_steps).max(1) as f64;
        match self.kind {
            SchedulerType::Constant => 1.0,
            SchedulerType::Linear => self.total_steps.saturating_sub(step) as f64 / length,
            SchedulerType::Cosine => {
                // transformers lets the cosine rise again after the last step; no run of ours goes there.
                let progress = ((step - self.warmup_steps) as f64 / length).min(1.0);
                0.5 * (1.0 + (PI * progress).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `get_{linear,cosine,constant}_schedule_with_warmup` of transformers 5.23 with lr 2e-4, 10 steps: the kind, the steps of its warm-up, and each
    /// step's rate.
    const CASES: [(SchedulerType, u64, [f64; 11]); 5] = [
        (
            SchedulerType::Linear,
            3,
            [
                0.0,
                6.666666666666667e-05,
                0.00013333333333333334,
                0.0002,
                0.00017142857142857143,
                0.00014285714285714287,
                0.00011428571428571428,
                8.571428571428571e-05,
                5.714285714285714e-05,
                2.857142857142857e-05,
                0.0,
            ],
        ),
        (
            SchedulerType::Cosine,
            3,
            [
                0.0,
                6.666666666666667e-05,
                0.00013333333333333334,
                0.0002,
                0.0001900968867902419,
                0.00016234898018587337,
                0.00012225209339563145,
                7.774790660436858e-05,
                3.7651019814126654e-05,
                9.903113209758096e-06,
                0.0,
            ],
        ),
        (
            SchedulerType::Constant,
            3,
            [0.0, 6.666666666666667e-05, 0.00013333333333333334, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4, 2e-4],
        ),
        (SchedulerType::Linear, 0, [2e-4, 1.8e-4, 1.6e-4, 1.4e-4, 1.2e-4, 1e-4, 8e-5, 6e-5, 4e-5, 2e-5, 0.0]),
        (
            SchedulerType::Cosine,
            0,
            [
                0.0002,
                0.00019510565162951537,
                0.00018090169943749476,
                0.00015877852522924732,
                0.00013090169943749476,
                0.0001,
                6.909830056250527e-05,
                4.12214747707527e-05,
                1.9098300562505266e-05,
                4.8943483704846475e-06,
                0.0,
            ],
        ),
    ];

    #[test]
    fn the_numbers_of_transformers() {
        for (kind, warmup_steps, expected) in CASES {
            let schedule = LrSchedule { kind, peak: 2e-4, warmup_steps, total_steps: 10 };
            for (step, expected) in expected.into_iter().enumerate() {
                let found = schedule.at(step as u64);
                assert!(
                    (found - expected).abs() < 1e-18,
                    "{kind:?} warm-up {warmup_steps} step {step}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_ratio_is_rounded_up_and_steps_win() {
        let options = TrainOptions { warmup_ratio: 0.1, ..Default::default() };
        assert_eq!(LrSchedule::new(&options, 41).warmup_steps, 5);
        assert_eq!(LrSchedule::new(&TrainOptions { warmup_steps: 2, ..options.clone() }, 41).warmup_steps, 2);
        assert_eq!(LrSchedule::new(&TrainOptions { warmup_ratio: 0.0, ..options }, 41).at(0), 2e-4);
    }

    #[test]
    fn degenerate_lengths_stay_finite() {
        for kind in [SchedulerType::Linear, SchedulerType::Cosine, SchedulerType::Constant] {
            for (warmup_steps, total_steps) in [(0, 0), (0, 1), (5, 3), (1, 1)] {
                let schedule = LrSchedule { kind, peak: 1.0, warmup_steps, total_steps };
                assert!((0..9).all(|step| (0.0..=1.0).contains(&schedule.at(step))), "{schedule:?}");
            }
        }
    }
}
