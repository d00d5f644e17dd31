//! The launch of `softcap.cu`.

use crate::error::Result;
use crate::gpu::{Arg, name, over_elements};
use crate::tensor::Matrix;

pub(super) fn forward(x: &mut Matrix, c: f32) -> Result<()> {
    let x = x.array_mut()?;
    let elements = [x.element()];
    let args = [x.at_mut(0), Arg::from(c), Arg::from(x.len() as u64)];
    x.gpu().launch(&name("softcap", &elements), over_elements(x.len(), &elements), &args)
}
