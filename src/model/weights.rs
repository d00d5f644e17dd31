//! Tensors of a model directory: one `model.safetensors`, or shards named by `model.safetensors.index.json`.
//!
//! Headers are checked before anything is allocated; a tensor is read, and converted piece by piece, when it is asked for.

use super::config::read_json;
use super::recognise::{no_weights, recognised};
use super::source::{WeightSource, check_finite};
use super::weight_file::WeightFile;
use crate::error::{Code, Error, Result};
use crate::tensor::buffers::zeros;
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the safetensors format itself allows for a header.
const LARGEST_HEADER: u64 = 100_000_000;
/// Values that are read and converted at a time: they stay in a core's cache.
const PIECE: usize = 1 << 16;

const SINGLE: &str = "model.safetensors";

/// The weight files of a model.
pub(crate) struct Weights {
    shards: Vec<Shard>,
    /// Tensor name → shard.
    place: HashMap<String, usize>,
}

struct Shard {
    file: Arc<WeightFile>,
    /// Where tensor data begins.
    data: u64,
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
                            shards[other].file.path().display(),
                            shard.file.path().display()
                        ),
                    )
                    .with("tensor", name));
                }
            }
        }
        Ok(Weights { shards, place })
    }

    fn find(&self, name: &str) -> Option<(&Shard, &TensorInfo)> {
        let shard = self.shards.get(*self.place.get(name)?)?;
        Some((shard, shard.metadata.info(name)?))
    }
}

impl WeightSource for Weights {
    fn contains(&self, name: &str) -> bool {
        self.place.contains_key(name)
    }

    fn len(&self) -> usize {
        self.place.len()
    }

    fn names(&self) -> Vec<String> {
        self.place.keys().cloned().collect()
    }

    fn is_bf16(&self) -> bool {
        let tensors = || self.shards.iter().flat_map(|shard| shard.metadata.tensors().into_values());
        tensors().filter(|info| info.shape.len() > 1).all(|info| info.dtype == Dtype::BF16)
    }

    fn files(&self) -> Vec<Arc<WeightFile>> {
        self.shards.iter().map(|shard| shard.file.clone()).collect()
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let Some((shard, info)) = self.find(name) else {
            return Err(Error::new(Code::ModelFormat, format!("tensor {name} is missing; expected shape {shape:?}"))
                .with("tensor", name)
                .with("expected_shape", shape)
                .with("path", self.shards.first().map(|shard| shard.file.path().display().to_string())));
        };
        shard.check_shape(name, info, shape)?;
        let values = shard.to_f32(name, info)?;
        check_finite(name, &values).map_err(|err| err.in_file(shard.file.path()))?;
        Ok(values)
    }

    /// Piece by piece: two embeddings of a large model would not fit.
    fn same(&self, one: &str, other: &str, shape: &[usize]) -> Result<bool> {
        let (Some((a, of_a)), Some((b, of_b))) = (self.find(one), self.find(other)) else { return Ok(false) };
        if of_a.dtype != of_b.dtype || of_a.shape != of_b.shape {
            b.check_shape(other, of_b, shape)?;
            return Ok(self.values(one, shape)? == self.values(other, shape)?);
        }
        let len = (of_a.data_offsets.1 - of_a.data_offsets.0) as u64;
        let (from_a, from_b) = (a.data + of_a.data_offsets.0 as u64, b.data + of_b.data_offsets.0 as u64);
        for at in (0..len).step_by(PIECE) {
            let part = (len - at).min(PIECE as u64);
            if a.file.read(from_a + at, part)? != b.file.read(from_b + at, part)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// File names below `dir`, sorted.
fn weight_files(dir: &Path) -> Result<BTreeSet<PathBuf>> {
    let index = dir.join("model.safetensors.index.json");
    // As transformers decides: an index that was left beside a single file says nothing about it.
    if dir.join(SINGLE).exists() {
        return Ok(BTreeSet::from([SINGLE.into()]));
    }
    if index.exists() {
        let value = read_json(&index)?;
        let bad = |message: &str| Error::new(Code::ModelFormat, message).in_file(&index);
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
    Err(no_weights(dir))
}

impl Shard {
    fn open(path: PathBuf) -> Result<Self> {
        let file = Arc::new(WeightFile::open(&path)?);
        let size = file.len();
        let bad = |why: String| {
            Error::new(
                Code::ModelFormat,
                format!("{} ({size} bytes) is not a whole safetensors file: {why}", path.display()),
            )
            .with_path(&path)
            .with("bytes", size)
        };
        if size < 8 {
            return Err(bad("it is too short for a header".to_owned()));
        }
        let mut prefix = [0u8; 8];
        file.read_into(0, &mut prefix)?;
        let header = u64::from_le_bytes(prefix);
        if header > LARGEST_HEADER || header > size - 8 {
            let what = recognised(&prefix)
                .map_or_else(|| format!("it claims a header of {header} bytes"), |what| format!("it is {what}"));
            return Err(bad(what));
        }
        let metadata: Metadata = serde_json::from_slice(&file.read(8, header)?).map_err(|err| bad(err.to_string()))?;
        let (claimed, found) = (metadata.data_len() as u64, size - 8 - header);
        if claimed != found {
            return Err(bad(format!("its header describes {claimed} bytes of tensors, and it has {found}")));
        }
        Ok(Shard { data: 8 + header, file, metadata })
    }

    fn bad(&self, message: String) -> Error {
        Error::new(Code::ModelFormat, message).in_file(self.file.path())
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
        match info.dtype {
            Dtype::F32 => self.convert(info, f32::from_le_bytes),
            Dtype::F16 => self.convert(info, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => self.convert(info, |b| bf16::from_le_bytes(b).to_f32()),
            other => Err(Error::new(
                Code::Unsupported,
                format!(
                    "{}: tensor {name} is stored as {other:?}; supported are F32, F16, BF16",
                    self.file.path().display()
                ),
            )
            .with("tensor", name)),
        }
    }

    fn convert<const N: usize>(&self, info: &TensorInfo, one: impl Fn([u8; N]) -> f32 + Sync) -> Result<Vec<f32>> {
        let (start, end) = info.data_offsets;
        let mut out = zeros((end - start) / N)?;
        let start = self.data + start as u64;
        out.par_chunks_mut(PIECE).enumerate().try_for_each_init(
            || vec![0u8; PIECE * N],
            |bytes, (index, out)| {
                let bytes = &mut bytes[..out.len() * N];
                self.file.read_into(start + (index * PIECE * N) as u64, bytes)?;
                out.iter_mut().zip(bytes.as_chunks::<N>().0).for_each(|(out, b)| *out = one(*b));
                Ok::<_, Error>(())
            },
        )?;
        Ok(out)
    }
}
