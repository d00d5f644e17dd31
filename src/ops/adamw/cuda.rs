//! The launch of `adamw.cu` for one tensor.

use super::{AdamFactors, Moments};
use crate::error::Result;
use crate::gpu::{Arg, f32_only, name, over_elements};
use crate::tensor::Matrix;

pub(super) fn step(
    f: AdamFactors,
    parameter: &Matrix,
    gradient: &Matrix,
    moments: &Moments,
) -> Result<(Matrix, Moments)> {
    let mut next = parameter.duplicate()?;
    let mut moments = Moments { first: moments.first.duplicate()?, second: moments.second.duplicate()? };
    let gradient = f32_only(gradient.array()?)?;
    let elements = [f32_only(next.array()?)?.element()];
    let operands = [
        next.array_mut()?.at_mut(0),
        gradient.at(0),
        moments.first.array_mut()?.at_mut(0),
        moments.second.array_mut()?.at_mut(0),
        Arg::from(gradient.len() as u64),
    ];
    let AdamFactors { keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip } = f;
    let factors = [keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip].map(Arg::from);
    let args: Vec<Arg> = operands.into_iter().chain(factors).collect();
    let grid = over_elements(gradient.len(), &elements);
    gradient.gpu().launch(&name("adamw_step", &elements), grid, &args)?;
    Ok((next, moments))
}
