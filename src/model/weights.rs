//! Tensors of a model directory: one `model.safetensors`, or shards named by `model.safetensors.index.json`.
//!
//! Files are mapped, headers are checked before anything is allocated, and a tensor is converted when it is asked for.

use super::config::read_json;
use super::mmap::{self, map, release};
use super::source::{WeightSource, check_finite};
use crate::error::{Code, Error, Result};
use half::{bf16, f16};
use memmap2::Mmap;
use rayon::prelude::*;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// The mapped weight files of a model.
pub(crate) struct Weights {
    shards: Vec<Shard>,
    /// Tensor name → shard.
    place: HashMap<String, usize>,
}

struct Shard {
    path: PathBuf,
    bytes: Mmap,
    /// Where tensor data begins.
    data: usize,
    metadata: Metadata,
}

impl Weights {
    /// Opens the weight files of `dir`.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let shards =
            weight_files(dir)?.into_iter().map(|path| Shard::open(dir.join(path))).collect::<Result<Vec<_>>>()?;
        let mut place = HashMap::new();
        for (index, shard) in shards.iter().enumerate() {
            for name in shard.metadata.tensors().into_keys() {
                if let Some(other) = place.insert(name.clone(), index) {
                    return Err(Error::new(
                        Code::ModelFormat,
                        format!(
                            "tensor {name} is in both {} and {}",
                            shards[other].path.display(),
                            shard.path.display()
                        ),
                    )
                    .with("tensor", name));
                }
            }
        }
        Ok(Weights { shards, place })
    }
}

impl WeightSource for Weights {
    fn contains(&self, name: &str) -> bool {
        self.place.contains_key(name)
    }

    fn len(&self) -> usize {
        self.place.len()
    }

    fn byte_len(&self) -> u64 {
        self.shards.iter().map(|shard| shard.bytes.len() as u64).sum()
    }

    fn sha256(&self) -> String {
        let mut hash = Sha256::new();
        for shard in &self.shards {
            mmap::hash(&shard.bytes, &mut hash);
        }
        format!("{:x}", hash.finalize())
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some(&index) = self.place.get(name) else {
            return Err(Error::new(Code::ModelFormat, format!("tensor {name} is missing; expected shape {shape:?}"))
                .with("tensor", name)
                .with("expected_shape", shape)
                .with("path", self.shards.first().map(|shard| shard.path.display().to_string())));
        };
        let shard = &self.shards[index];
        let info = shard.metadata.info(name).ok_or_else(|| Error::new(Code::Internal, "tensor without metadata"))?;
        shard.check_shape(name, info, shape)?;
        let values = shard.to_f32(name, info)?;
        // What is kept is the converted copy; two of a large model would not fit.
        release(&shard.bytes, shard.data + info.data_offsets.0..shard.data + info.data_offsets.1);
        check_finite(name, &values)
            .map_err(|err| err.context(shard.path.display()).with("path", shard.path.display().to_string()))?;
        Ok(values)
    }
}

/// File names below `dir`, sorted.
fn weight_files(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let index = dir.join("model.safetensors.index.json");
    if index.exists() {
        let value = read_json(&index)?;
        let bad = |message: &str| {
            Error::new(Code::ModelFormat, format!("{}: {message}", index.display()))
                .with("path", index.display().to_string())
        };
        let map = value.get("weight_map").and_then(|m| m.as_object()).ok_or_else(|| bad("`weight_map` is missing"))?;
        let mut files = BTreeSet::new();
        for file in map.values() {
            let name = file.as_str().unwrap_or_default();
            // A shard lies in the model's own directory; anything else is a damaged or hostile index.
            if name.is_empty() || Path::new(name).file_name() != Some(name.as_ref()) {
                return Err(bad(&format!("`weight_map` names {file}; expected a file beside the index")));
            }
            files.insert(PathBuf::from(name));
        }
        return if files.is_empty() { Err(bad("`weight_map` is empty")) } else { Ok(files) };
    }
    if dir.join("model.safetensors").exists() {
        return Ok(BTreeSet::from(["model.safetensors".into()]));
    }
    let older = dir.join("pytorch_model.bin").exists() || dir.join("pytorch_model.bin.index.json").exists();
    let hint = if older { "; it has pytorch_model.bin, convert it with transformers' save_pretrained" } else { "" };
    Err(Error::new(
        Code::ModelFormat,
        format!("{} has no model.safetensors and no index of shards{hint}", dir.display()),
    )
    .with("path", dir.display().to_string()))
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self> {
        let bytes = map(&path)?;
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|err| {
            Error::new(
                Code::ModelFormat,
                format!("{} ({} bytes) is not a whole safetensors file: {err}", path.display(), bytes.len()),
            )
            .with("path", path.display().to_string())
            .with("bytes", bytes.len())
        })?;
        Ok(Shard { data: header + 8, path, bytes, metadata })
    }

    fn bad(&self, message: String) -> Error {
        Error::new(Code::ModelFormat, format!("{}: {message}", self.path.display()))
            .with("path", self.path.display().to_string())
    }

    fn check_shape(&self, name: &str, info: &TensorInfo, shape: &[usize]) -> Result<()> {
        if info.shape == shape {
            return Ok(());
        }
        Err(self
            .bad(format!("tensor {name} has shape {:?}; config.json makes it {shape:?}", info.shape))
            .with("tensor", name)
            .with("found_shape", &info.shape)
            .with("expected_shape", shape))
    }

    fn to_f32(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>> {
        let (start, end) = info.data_offsets;
        let bytes = self
            .bytes
            .get(self.data + start..self.data + end)
            .ok_or_else(|| self.bad(format!("tensor {name} lies outside the file")))?;
        match info.dtype {
            Dtype::F32 => Ok(convert(bytes, f32::from_le_bytes)),
            Dtype::F16 => Ok(convert(bytes, |b| f16::from_le_bytes(b).to_f32())),
            Dtype::BF16 => Ok(convert(bytes, |b| bf16::from_le_bytes(b).to_f32())),
            other => Err(Error::new(
                Code::Unsupported,
                format!("{}: tensor {name} is stored as {other:?}; supported are F32, F16, BF16", self.path.display()),
            )
            .with("tensor", name)),
        }
    }
}

fn convert<const N: usize>(bytes: &[u8], one: impl Fn([u8; N]) -> f32 + Sync) -> Vec<f32> {
    let mut out = vec![0.0f32; bytes.len() / N];
    let chunk = 1 << 16;
    out.par_chunks_mut(chunk).zip(bytes.par_chunks(chunk * N)).for_each(|(out, bytes)| {
        for (out, b) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
            *out = one(*b);
        }
    });
    out
}
