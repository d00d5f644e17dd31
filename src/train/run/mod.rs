//! Training itself: one run or several over folds, from the first step to the adapter that is given out.

mod calibration;
mod convergence;
mod cross_validation;
mod done;
mod early_stopping;
mod failure;
mod job;
mod outcome;
mod resume;
mod schedule;
mod step;
mod trainer;
mod training_loop;

#[cfg(test)]
mod calibration_tests;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod checkpoint_fuzzing;
#[cfg(test)]
mod curve_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod evaluation_tests;
#[cfg(test)]
mod failure_tests;
#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod quantized_curve_tests;
#[cfg(test)]
mod strike;
#[cfg(test)]
pub(crate) mod tests;

pub use outcome::TrainOutcome;
pub use trainer::train;
