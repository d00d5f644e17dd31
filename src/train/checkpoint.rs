//! A run's whole state in one file, written atomically: killed at any moment and resumed, a run ends in the same bits.
//!
//! Row order and dropout are functions of the seed and the step, so there is no generator to save. Tensors have the names
//! of PEFT and of `torch.optim.AdamW`; the rest is JSON in the safetensors metadata.

use crate::error::{Code, Error, IoContext, Result};
use crate::files::write_atomic;
use candle_core::{Device, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Key of the JSON in the file's metadata.
const STATE: &str = "tailora.checkpoint/1";

/// What is written and read: named tensors and counters.
pub(super) struct Checkpoint {
    pub(super) state: Value,
    pub(super) tensors: HashMap<String, Tensor>,
}

/// The checkpoint's file in the run directory; folds have files of their own.
pub(super) const NAME: &str = "checkpoint.safetensors";

impl Checkpoint {
    /// Replaces the checkpoint at `path`; the old one stays whole until the new one is.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut buffers = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let bytes: Vec<u8> = values.into_iter().flat_map(f32::to_le_bytes).collect();
            buffers.push((name.clone(), tensor.dims().to_vec(), bytes));
        }
        let mut views = Vec::with_capacity(buffers.len());
        for (name, shape, bytes) in &buffers {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            views.push((name.clone(), view.map_err(|err| internal(&err))?));
        }
        let metadata = HashMap::from([(STATE.to_owned(), self.state.to_string())]);
        let bytes = safetensors::serialize(views, Some(metadata)).map_err(|err| internal(&err))?;
        write_atomic(path, |file| file.write_all(&bytes))
    }

    /// Reads a checkpoint; `None` if there is none.
    pub(super) fn read(path: &Path, device: &Device) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = std::fs::read(path).at("read", path)?;
        let bad = |what: String| {
            Error::new(Code::Training, format!("{} is not a checkpoint of this library: {what}", path.display()))
                .with("path", path.display().to_string())
        };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|err| bad(err.to_string()))?;
        let state = metadata.metadata().as_ref().and_then(|map| map.get(STATE));
        let state = state.ok_or_else(|| bad(format!("its metadata lacks {STATE}")))?;
        let state = serde_json::from_str(state).map_err(|err| bad(err.to_string()))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, device).map_err(|err| bad(err.to_string()))?;
        Ok(Some(Checkpoint { state, tensors }))
    }

    /// Takes a tensor out, of the shape of `like`.
    pub(super) fn take(&mut self, name: &str, like: &Tensor) -> Result<Tensor> {
        match self.tensors.remove(name) {
            Some(tensor) if tensor.dims() == like.dims() && tensor.dtype() == like.dtype() => Ok(tensor),
            found => {
                let found = found.map_or("missing".to_owned(), |tensor| format!("{:?}", tensor.dims()));
                Err(Error::new(
                    Code::Training,
                    format!("checkpoint: tensor {name} is {found}; expected {:?}", like.dims()),
                )
                .with("tensor", name))
            }
        }
    }
}

fn internal(err: &safetensors::SafeTensorError) -> Error {
    Error::new(Code::Internal, format!("the checkpoint cannot be serialized: {err}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NAME);
        assert!(Checkpoint::read(&file, &Device::Cpu).unwrap().is_none());
        let a = Tensor::new(&[[1f32, 2.0], [3.0, 4.5]], &Device::Cpu).unwrap();
        let written = Checkpoint { state: json!({"steps": 7}), tensors: HashMap::from([("a".to_owned(), a.clone())]) };
        written.write(&file).unwrap();
        let mut read = Checkpoint::read(&file, &Device::Cpu).unwrap().unwrap();
        assert_eq!(read.state["steps"], 7);
        let err = read.take("b", &a).unwrap_err();
        assert!(err.message().contains("tensor b is missing; expected [2, 2]"), "{err}");
        assert_eq!(read.take("a", &a).unwrap().to_vec2::<f32>().unwrap(), a.to_vec2::<f32>().unwrap());

        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
        let err = Checkpoint::read(&file, &Device::Cpu).err().unwrap();
        assert!(err.message().contains("is not a checkpoint"), "{err}");
    }
}
