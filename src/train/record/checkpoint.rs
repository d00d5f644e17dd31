//! A run's whole state in one file, written atomically: killed at any moment and resumed, a run ends in the same bits.
//!
//! Row order and dropout are functions of the seed and the step, so there is no generator to save. Tensors have the names
//! of PEFT and of `torch.optim.AdamW`; the rest is JSON in the safetensors metadata.

use crate::error::{Code, Error, Result};
use crate::files::{open_regular, read_bytes, write_atomic};
use crate::tensor::Matrix;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::Path;

/// Key of the JSON in the file's metadata.
const STATE: &str = "tailora.checkpoint/1";
/// A header has some hundred bytes per tensor.
const MAX_HEADER: u64 = 64 << 20;

/// What is written and read: named tensors and counters.
pub(crate) struct Checkpoint {
    pub(crate) state: Value,
    pub(crate) tensors: HashMap<String, Values>,
}

/// The numbers of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

impl TryFrom<&Matrix> for Values {
    type Error = Error;

    fn try_from(matrix: &Matrix) -> Result<Self> {
        Ok(Values { shape: vec![matrix.rows(), matrix.cols()], values: matrix.values()? })
    }
}

/// The checkpoint's file in the run directory; folds have files of their own.
pub(crate) const NAME: &str = "checkpoint.safetensors";

/// The file of the fold 0, 1, …
pub(crate) fn name_of_fold(index: usize, doublings: u32) -> String {
    let longer = if doublings == 0 { String::new() } else { format!("-doubled-{doublings}") };
    format!("checkpoint-fold-{}{longer}.safetensors", index + 1)
}

/// Whether a run would write a checkpoint of that name.
pub(crate) fn is_name(name: &OsStr) -> bool {
    let fold = name.to_str().and_then(|name| name.strip_prefix("checkpoint-fold-")?.strip_suffix(".safetensors"));
    let is_number = |text: &str| text.parse::<usize>().is_ok();
    name == NAME
        || fold.is_some_and(|fold| fold.split("-doubled-").count() <= 2 && fold.split("-doubled-").all(is_number))
}

/// Whether a file begins as a checkpoint does; the rest of it is not read.
pub(crate) fn is_one(path: &Path) -> bool {
    let header = || {
        let mut file = open_regular(path).ok()?;
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let length = u64::from_le_bytes(length);
        let mut header = Vec::new();
        file.take(length.min(MAX_HEADER)).read_to_end(&mut header).ok()?;
        serde_json::from_slice::<Value>(&header).ok()
    };
    header().is_some_and(|header| header["__metadata__"][STATE].is_string())
}

impl Checkpoint {
    /// Replaces the checkpoint at `path`; the old one stays whole until the new one is.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let mut buffers = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            let bytes: Vec<u8> = tensor.values.iter().copied().flat_map(f32::to_le_bytes).collect();
            buffers.push((name.clone(), tensor.shape.clone(), bytes));
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

    /// Reads a checkpoint of at most `limit` bytes; `None` if there is none.
    pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Self>> {
        if !path.exists() {
            return Ok(None);
        }
        let bytes = read_bytes(path, limit)?;
        let bad = |what: String| {
            Error::new(Code::Training, format!("{} is not a checkpoint of this library: {what}", path.display()))
                .with_path(path)
        };
        Self::parse(&bytes).map(Some).map_err(bad)
    }

    /// Reads the bytes of a checkpoint's file; the error is what is wrong with them.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|err| err.to_string())?;
        let state = metadata.metadata().as_ref().and_then(|map| map.get(STATE));
        let state = state.ok_or_else(|| format!("its metadata lacks {STATE}"))?;
        let state = serde_json::from_str(state).map_err(|err| err.to_string())?;
        let stored = SafeTensors::deserialize(bytes).map_err(|err| err.to_string())?;
        let mut tensors = HashMap::new();
        for (name, tensor) in stored.iter() {
            if tensor.dtype() != Dtype::F32 {
                return Err(format!("its tensor {name} is {:?}; expected F32", tensor.dtype()));
            }
            let values = tensor.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            tensors.insert(name.to_owned(), Values { shape: tensor.shape().to_vec(), values });
        }
        Ok(Checkpoint { state, tensors })
    }

    /// Takes a matrix out, of the shape of `like`, to its device.
    pub(crate) fn take(&mut self, name: &str, like: &Matrix) -> Result<Matrix> {
        let expected = [like.rows(), like.cols()];
        match self.tensors.remove(name) {
            Some(Values { shape, values }) if shape == expected => {
                Matrix::new(like.rows(), like.cols(), values, &like.device())
            }
            found => {
                let found = found.map_or("missing".to_owned(), |tensor| format!("{:?}", tensor.shape));
                Err(Error::new(Code::Training, format!("checkpoint: tensor {name} is {found}; expected {expected:?}"))
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
    use crate::tensor::Device;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read_and_damage_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(NAME);
        assert!(Checkpoint::read(&file, 1 << 20).unwrap().is_none());
        let a = Matrix::new(2, 2, vec![1.0, 2.0, 3.0, 4.5], &Device::host()).unwrap();
        let written = Checkpoint {
            state: json!({"steps": 7}),
            tensors: HashMap::from([("a".to_owned(), Values::try_from(&a).unwrap())]),
        };
        written.write(&file).unwrap();
        let mut read = Checkpoint::read(&file, 1 << 20).unwrap().unwrap();
        assert_eq!(read.state["steps"], 7);
        let err = read.take("b", &a).unwrap_err();
        assert!(err.message().contains("tensor b is missing; expected [2, 2]"), "{err}");
        assert_eq!(read.take("a", &a).unwrap().values().unwrap(), a.values().unwrap());

        assert!(
            is_one(&file)
                && is_name(OsStr::new(&name_of_fold(3, 0)))
                && is_name(OsStr::new(&name_of_fold(0, 2)))
                && !is_name(OsStr::new("checkpoint.pt"))
        );
        let err = Checkpoint::read(&file, 100).err().unwrap();
        assert!(err.message().contains("at most 100"), "{err}");
        let err = Checkpoint::read(dir.path(), 100).err().unwrap();
        assert!(err.message().contains("regular file"), "{err}");

        let whole = std::fs::read(&file).unwrap();
        std::fs::write(&file, &whole[..whole.len() - 3]).unwrap();
        let err = Checkpoint::read(&file, 1 << 20).err().unwrap();
        assert!(err.message().contains("is not a checkpoint"), "{err}");
        std::fs::write(&file, b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
        assert!(!is_one(&file) && !is_one(dir.path()) && !is_one(&dir.path().join("none")));
    }
}
