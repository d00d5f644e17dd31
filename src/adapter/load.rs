//! Reading a PEFT folder. The header alone is checked first, against what the config and the base ask for; tensor data is
//! read only once every name and shape is right, so that memory is bounded by the base's shapes, not by the file.

use super::base::AdapterBase;
use super::config::LoraConfig;
use super::manifest::AdapterManifest;
use super::targets::TargetedSite;
use super::tensor_names::{Factor, parse_tensor_name, tensor_name};
use super::{Adapter, AdapterOptions};
use crate::error::{Code, Error, IoContext, Result};
use crate::files::{open_regular, read_bytes, refuse_pointer};
use crate::memory;
use crate::model::{LoraWeights, Site};
use crate::tensor::Matrix;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// The tensors' file name, as PEFT has it.
pub(crate) const FILE_NAME: &str = "adapter_model.safetensors";
/// What the safetensors format itself allows for a header.
const MAX_HEADER: u64 = 100_000_000;

impl Adapter {
    /// Reads a PEFT adapter folder for a base model.
    ///
    /// Errors: `Io` (missing or unreadable file), `AdapterFormat` (damaged, or config and tensors contradict each other),
    /// `AdapterMismatch` (made for another base), `Unsupported` (a kind of adapter that would compute something else).
    #[cfg(test)]
    pub(crate) fn load(dir: &Path, base: AdapterBase) -> Result<Adapter> {
        Self::load_with(dir, base, &AdapterOptions::default())
    }

    /// The same, as `options` say.
    pub(crate) fn load_with(dir: &Path, base: AdapterBase, options: &AdapterOptions) -> Result<Adapter> {
        let mut config = LoraConfig::read(dir)?;
        let manifest = AdapterManifest::read(dir)?;
        let mut notes = config.notes(&base).map_err(|err| in_file(err, &dir.join(super::config::FILE_NAME)))?;
        if let Some(manifest) = &manifest {
            notes.extend(manifest.check_base(dir, &base, options.allow_base_mismatch)?);
        }
        let targets = config.targeted_sites(&base).map_err(|err| in_file(err, &dir.join(super::config::FILE_NAME)))?;
        let path = dir.join(FILE_NAME);
        let mut file = AdapterFile::open(dir, &path)?;
        let located = file.check(&targets, &base)?;
        // Read, widened, hashed: three copies at the most, one tensor after the other but for the first.
        memory::probe(3 * file.metadata.data_len() as u64)?;
        let mut weights = Vec::with_capacity(targets.len());
        for (target, [a, b]) in targets.iter().zip(&located) {
            let (out_features, in_features) = base.shape(target.site.module);
            weights.push((
                target.site,
                LoraWeights::new(
                    Arc::new(Matrix::new(target.r, in_features, file.read(a)?, &base.device)?),
                    Arc::new(Matrix::new(out_features, target.r, file.read(b)?, &base.device)?),
                    target.scaling,
                ),
            ));
        }
        let manifest = manifest.unwrap_or_else(|| AdapterManifest::of(&base));
        let folder = dir.canonicalize().at("find", dir)?;
        let folder = folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = manifest.name.clone().unwrap_or(folder);
        config.base_model_name_or_path = config.base_model_name_or_path.or_else(|| Some(base.name.clone()));
        let loaded = Adapter::assemble(name, config, base, manifest, weights)?.with_notes(notes);
        Ok(match &options.name {
            Some(name) => loaded.renamed(name),
            None => loaded,
        })
    }
}

/// An error in a file that is not of our user's making is not about options.
fn in_file(err: Error, path: &Path) -> Error {
    let err = match err.code() {
        Code::InvalidOptions => err
            .details()
            .iter()
            .fold(Error::new(Code::AdapterFormat, err.message()), |new, (key, value)| new.with(key, value)),
        _ => err,
    };
    err.in_file(path)
}

/// A stored tensor: its name in the file and where it is.
struct Located {
    name: String,
    info: TensorInfo,
}

/// An open adapter file whose header is read and consistent.
struct AdapterFile<'a> {
    path: &'a Path,
    file: File,
    metadata: Metadata,
    /// Where tensor data starts.
    data_start: u64,
}

impl<'a> AdapterFile<'a> {
    fn open(dir: &Path, path: &'a Path) -> Result<Self> {
        let damaged = |what: String| damaged(path, what);
        if !path.exists() && dir.join("adapter_model.bin").exists() {
            return Err(damaged("is missing, there is only adapter_model.bin, a Python pickle, which is not read because it can run code; load it in PEFT and save it with save_pretrained(…, safe_serialization=True)".to_owned()));
        }
        let mut file = open_regular(path)?;
        let size = file.metadata().at("read", path)?.len();
        let mut prefix = [0u8; 8];
        if size < 8 {
            return Err(damaged(format!(
                "has {size} bytes, too few for a safetensors header; it may be a cut-off copy"
            )));
        }
        file.read_exact(&mut prefix).at("read", path)?;
        if prefix == *b"version " {
            refuse_pointer(path, &read_bytes(path, MAX_HEADER)?)?;
        }
        let header_len = u64::from_le_bytes(prefix);
        if header_len > MAX_HEADER || header_len > size - 8 {
            return Err(damaged(format!(
                "claims a header of {header_len} bytes in a file of {size}; it is damaged, cut off or no safetensors file"
            )));
        }
        let mut header = memory::reserved(header_len as usize)?;
        header.resize(header_len as usize, 0u8);
        file.read_exact(&mut header).at("read", path)?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|err| damaged(format!("has a damaged header: {err}")))?;
        let (claimed, found) = (metadata.data_len() as u64, size - 8 - header_len);
        if claimed != found {
            return Err(damaged(format!(
                "should have {claimed} bytes of tensors by its header, and has {found}; it may be a cut-off copy"
            )));
        }
        Ok(AdapterFile { path, file, metadata, data_start: 8 + header_len })
    }

    /// Finds the A and B of every target and refuses everything that does not fit: names, ranks, shapes.
    fn check(&self, targets: &[TargetedSite], base: &AdapterBase) -> Result<Vec<[Located; 2]>> {
        let mut stored = self.stored_by_module(base)?;
        let mut missing = Vec::new();
        let mut located = Vec::with_capacity(targets.len());
        for target in targets {
            let (out_features, in_features) = base.shape(target.site.module);
            let (a, b) = (vec![target.r, in_features], vec![out_features, target.r]);
            let module = target.site.path();
            let mut find = |factor, shape: &[usize]| match stored.remove(&(module.clone(), factor)) {
                Some(tensor) => self.check_shape(&tensor, target, factor, shape).map(|()| Some(tensor)),
                None => {
                    missing.push((target.site, tensor_name(target.site, factor), shape.to_vec()));
                    Ok(None)
                }
            };
            if let (Some(a), Some(b)) = (find(Factor::A, &a)?, find(Factor::B, &b)?) {
                located.push([a, b]);
            }
        }
        if let Some(extra) = stored.values().next() {
            return Err(damaged(
                self.path,
                format!("has the tensor {} {:?}, which adapter_config.json does not ask for (target_modules does not match it, or it is excluded)", extra.name, extra.info.shape),
            )
            .with("tensor", &extra.name)
            .with("found", &extra.info.shape));
        }
        if !missing.is_empty() {
            return Err(self.missing_error(&missing, targets));
        }
        Ok(located)
    }

    /// The file's tensors by module and factor; a name that cannot belong to this base is an error.
    fn stored_by_module(&self, base: &AdapterBase) -> Result<BTreeMap<(String, Factor), Located>> {
        let modules: BTreeSet<String> = base.sites().iter().map(Site::path).collect();
        let mut stored = BTreeMap::new();
        for name in self.metadata.offset_keys() {
            let Some(info) = self.metadata.info(&name).cloned() else { continue };
            let Some((module, factor)) = parse_tensor_name(&name) else {
                return Err(damaged(
                    self.path,
                    format!(
                        "has the tensor {name} {:?}, which is no LoRA A or B of a linear layer; expected names like {}",
                        info.shape,
                        base.sites().iter().next().map_or_else(String::new, |site| tensor_name(site, Factor::A))
                    ),
                )
                .with("tensor", &name)
                .with("found", &info.shape));
            };
            if !modules.contains(module) {
                return Err(Error::new(
                    Code::AdapterMismatch,
                    format!(
                        "{}: the tensor {name} {:?} belongs to {module}, which the base model {} with its {} layers does not have",
                        self.path.display(),
                        info.shape,
                        base.name,
                        base.num_hidden_layers
                    ),
                )
                .with_path(self.path)
                .with("tensor", &name)
                .with("found", &info.shape));
            }
            let key = (module.to_owned(), factor);
            if let Some(Located { name: other, .. }) = stored.insert(key, Located { name: name.clone(), info }) {
                return Err(damaged(self.path, format!("has both {other} and {name}, which mean the same tensor"))
                    .with("tensor", name));
            }
        }
        Ok(stored)
    }

    fn check_shape(&self, tensor: &Located, target: &TargetedSite, factor: Factor, expected: &[usize]) -> Result<()> {
        let found = &tensor.info.shape;
        if found == expected {
            return Ok(());
        }
        let (rank_axis, feature_axis) = if factor == Factor::A { (0, 1) } else { (1, 0) };
        let features_fit = found.len() == 2 && found[feature_axis] == expected[feature_axis];
        let err = if features_fit {
            damaged(
                self.path,
                format!(
                    "the tensor {} is {found:?}, rank {}, but adapter_config.json gives rank {} (expected {expected:?})",
                    tensor.name, found[rank_axis], target.r
                ),
            )
        } else {
            Error::new(
                Code::AdapterMismatch,
                format!(
                    "{}: the tensor {} is {found:?}, but the base model needs {expected:?}; the adapter is of another base model",
                    self.path.display(),
                    tensor.name
                ),
            )
            .with_path(self.path)
        };
        Err(err.with("tensor", &tensor.name).with("found", found).with("expected", expected))
    }

    /// If all tensors are missing from some layer on, the adapter's base has fewer layers.
    fn missing_error(&self, missing: &[(Site, String, Vec<usize>)], targets: &[TargetedSite]) -> Error {
        let first_missing = missing.iter().map(|(site, ..)| site.layer).min().unwrap_or_default();
        let above = targets.iter().filter(|target| target.site.layer >= first_missing).count();
        let shorter = first_missing > 0 && missing.len() == 2 * above;
        let (name, shape) = missing.first().map_or(("", &[][..]), |(_, name, shape)| (name, shape));
        let message = format!("the tensor {name} is missing; expected it with {shape:?}");
        let err = if shorter {
            let message = format!(
                "{}: {message} (nothing is there from layer {first_missing} on: the adapter is of a base model with fewer layers)",
                self.path.display()
            );
            Error::new(Code::AdapterMismatch, message).with_path(self.path)
        } else {
            damaged(self.path, message)
        };
        err.with("tensor", name).with("expected", shape)
    }

    /// The numbers of a tensor whose shape was checked, widened to f32.
    fn read(&mut self, tensor: &Located) -> Result<Vec<f32>> {
        let (start, end) = tensor.info.data_offsets;
        let mut bytes = memory::reserved(end - start)?;
        bytes.resize(end - start, 0u8);
        self.file.seek(SeekFrom::Start(self.data_start + start as u64)).at("read", self.path)?;
        self.file.read_exact(&mut bytes).at("read", self.path)?;
        let values: Vec<f32> = match tensor.info.dtype {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect(),
            Dtype::F16 => bytes.as_chunks().0.iter().map(|&raw| f16::from_le_bytes(raw).to_f32()).collect(),
            Dtype::BF16 => bytes.as_chunks().0.iter().map(|&raw| bf16::from_le_bytes(raw).to_f32()).collect(),
            other => {
                return Err(Error::new(
                    Code::Unsupported,
                    format!(
                        "{}: the tensor {} is stored as {other:?}; expected F32, F16 or BF16",
                        self.path.display(),
                        tensor.name
                    ),
                )
                .with_path(self.path)
                .with("tensor", &tensor.name));
            }
        };
        if let Some(index) = values.iter().position(|value| !value.is_finite()) {
            return Err(damaged(
                self.path,
                format!(
                    "the tensor {} {:?} has {} at element {index}; every number must be finite",
                    tensor.name, tensor.info.shape, values[index]
                ),
            )
            .with("tensor", &tensor.name)
            .with("element", index));
        }
        Ok(values)
    }
}

fn damaged(path: &Path, what: String) -> Error {
    Error::new(Code::AdapterFormat, what).in_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_old_and_new() {
        let q = "base_model.model.model.layers.0.self_attn.q_proj";
        let module = "model.layers.0.self_attn.q_proj";
        assert_eq!(parse_tensor_name(&format!("{q}.lora_A.weight")), Some((module, Factor::A)));
        assert_eq!(parse_tensor_name(&format!("{q}.lora_B.default.weight")), Some((module, Factor::B)));
        for wrong in ["", "lora_A.weight", "base_model.model.lm_head.weight", "base_model.model.x.lora_A.a.b.weight"] {
            assert_eq!(parse_tensor_name(wrong), None, "{wrong}");
        }
        assert_eq!(parse_tensor_name(&format!("{q}.lora_magnitude_vector.weight")), None);
    }
}
