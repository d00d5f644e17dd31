//! GGUF, the container of llama.cpp: a header of metadata and tensor descriptions, then the tensors.
//!
//! Nothing a header says is believed before it was held against the length of the file; arrays stay as they are in the
//! header until someone asks for them. Source: `docs/gguf.md` of ggml.

mod architectures;
mod config;
mod cursor;
mod metadata;
mod names;
mod parts;
mod tensors;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;

pub(super) use parts::front as split_front;
pub(super) use tensors::GgufWeights;

use super::weight_file::WeightFile;
use crate::error::{Code, Error, Result};
use crate::weights::ggml::{self, GgmlDType};
use cursor::Cursor;
use metadata::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

const MAGIC: &[u8] = b"GGUF";
/// Bytes of the file that are tried as its header first; a large vocabulary takes more.
const FIRST_READ: u64 = 1 << 20;
/// Far above any real one.
const LARGEST_HEADER: u64 = 1 << 28;
const DEFAULT_ALIGNMENT: u64 = 32;
/// Far above any real one; tensors are aligned to it.
const LARGEST_ALIGNMENT: u64 = 1 << 20;

/// An opened GGUF file, or the parts that a model was split into.
pub(crate) struct Gguf {
    /// The first is the one with the metadata.
    files: Vec<Arc<WeightFile>>,
    /// The first file up to its tensors, and perhaps some of those.
    header: Vec<u8>,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, TensorInfo>,
}

/// A stored tensor. That it lies in the file has been checked.
#[derive(Debug)]
struct TensorInfo {
    /// Outermost dimension first.
    shape: Vec<usize>,
    dtype: GgmlDType,
    /// Which of the files.
    file: usize,
    /// Where its bytes begin in the file, and how many a row has.
    start: u64,
    row_bytes: usize,
}

impl Gguf {
    /// Opens and checks a file, and those beside it that belong to it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = Self::open_one(path)?;
        match parts::paths(&file)? {
            None => Ok(file),
            Some(paths) => parts::joined(paths.iter().map(|path| Self::open_one(path))),
        }
    }

    fn open_one(path: &Path) -> Result<Self> {
        let file = Arc::new(WeightFile::open(path)?);
        let at_path = |err: Error| err.in_file(path);
        let mut at_hand = FIRST_READ;
        loop {
            let header = file.read(0, file.len().min(at_hand))?;
            let mut cursor = Cursor::new(&header, file.len());
            match read_header(&mut cursor) {
                Ok((metadata, tensors)) => return Ok(Gguf { files: vec![file], header, metadata, tensors }),
                Err(_) if cursor.is_short() && at_hand < LARGEST_HEADER => at_hand *= 4,
                Err(_) if cursor.is_short() => {
                    return Err(at_path(bad(format!("the header has more than {LARGEST_HEADER} bytes"))));
                }
                Err(err) => return Err(at_path(err)),
            }
        }
    }

    /// Whether a file that begins so says that it is one.
    pub(super) fn begins_with(beginning: &[u8]) -> bool {
        beginning.starts_with(MAGIC)
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        self.files[0].path()
    }

    /// An error about this file.
    pub(crate) fn error(&self, code: Code, message: impl std::fmt::Display) -> Error {
        Error::new(code, message.to_string()).in_file(self.path())
    }
}

fn read_header(cursor: &mut Cursor<'_>) -> Result<(HashMap<String, Value>, HashMap<String, TensorInfo>)> {
    if cursor.take(4, "the magic number").ok() != Some(MAGIC) {
        return Err(bad(format!("not a GGUF file: it does not begin with `GGUF` ({} bytes)", cursor.file_len())));
    }
    match cursor.u32("the version")? {
        2 | 3 => {}
        version if version.swap_bytes() <= 3 => {
            return Err(unsupported("GGUF in big-endian byte order; expected little-endian".to_owned()));
        }
        version => return Err(unsupported(format!("GGUF version {version}; supported are 2 and 3"))),
    }
    let tensor_count = cursor.u64("the number of tensors")?;
    let entry_count = cursor.u64("the number of metadata entries")?;
    // A tensor has a name, a number of dimensions, a type and an offset; an entry a key, a type and a value.
    let least = u128::from(tensor_count) * 24 + u128::from(entry_count) * 13;
    if least > u128::from(cursor.left()) {
        return Err(bad(format!(
            "the header declares {tensor_count} tensors and {entry_count} metadata entries, which need at least {least} \
             bytes; the file has {} left",
            cursor.left()
        )));
    }
    let metadata = metadata::read(cursor, entry_count)?;
    let alignment = match metadata.get("general.alignment") {
        None => DEFAULT_ALIGNMENT,
        Some(Value::Whole(n)) if n.count_ones() == 1 && (1..=i128::from(LARGEST_ALIGNMENT)).contains(n) => *n as u64,
        Some(other) => return Err(bad(format!("`general.alignment` is {other}; expected a power of two"))),
    };
    let stated = (0..tensor_count).map(|_| Stated::read(cursor)).collect::<Result<Vec<_>>>()?;
    let data = (cursor.at() as u64).next_multiple_of(alignment);
    let mut tensors = HashMap::with_capacity(stated.len());
    for tensor in stated {
        let name = tensor.name.clone();
        let info = tensor.check(data, alignment, cursor.file_len())?;
        if tensors.insert(name.clone(), info).is_some() {
            return Err(bad(format!("tensor {name} is there twice")).with("tensor", name));
        }
    }
    Ok((metadata, tensors))
}

/// What the header says of a tensor.
struct Stated {
    name: String,
    /// Innermost first, as in the file.
    dimensions: Vec<u64>,
    type_id: u32,
    offset: u64,
}

impl Stated {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let name = cursor.text("a tensor's name")?.into_owned();
        let rank = cursor.u32("a number of dimensions")?;
        if !(1..=4).contains(&rank) {
            return Err(bad(format!("tensor {name} has {rank} dimensions; expected 1 to 4")).with("tensor", name));
        }
        let dimensions = (0..rank).map(|_| cursor.u64("a dimension")).collect::<Result<_>>()?;
        Ok(Stated { name, dimensions, type_id: cursor.u32("a tensor's type")?, offset: cursor.u64("an offset")? })
    }

    fn check(self, data: u64, alignment: u64, file: u64) -> Result<TensorInfo> {
        let Stated { name, dimensions, type_id, offset } = self;
        let refuse = |err: Error| err.with("tensor", &name).with("found_shape", &dimensions);
        let Some(dtype) = ggml::type_of(type_id) else {
            return Err(refuse(unsupported(format!(
                "tensor {name} is stored as {}; supported are {}",
                ggml::type_name(type_id),
                ggml::SUPPORTED
            ))));
        };
        let shape: Option<Vec<usize>> =
            dimensions.iter().rev().map(|&d| usize::try_from(d).ok().filter(|&d| d > 0)).collect();
        let extent = shape.and_then(|shape| {
            let (&width, outer) = shape.split_last()?;
            let row_bytes = ggml::row_bytes(dtype, width)?;
            let len = outer.iter().try_fold(row_bytes, |bytes, &d| bytes.checked_mul(d))?;
            Some((shape, row_bytes, len))
        });
        let Some((shape, row_bytes, len)) = extent else {
            return Err(refuse(bad(format!(
                "tensor {name} of type {} has dimensions {dimensions:?}",
                ggml::type_name(type_id)
            ))));
        };
        let start = data.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(len as u64)).filter(|&end| end <= file);
        match start.zip(end) {
            Some((start, _)) if offset.is_multiple_of(alignment) => {
                Ok(TensorInfo { shape, dtype, file: 0, start, row_bytes })
            }
            _ => Err(refuse(bad(format!(
                "tensor {name} of {len} bytes at offset {offset} does not lie in the file ({file} bytes, data from \
                 {data}, alignment {alignment}); the file is damaged or cut off"
            )))),
        }
    }
}

fn bad(message: String) -> Error {
    Error::new(Code::ModelFormat, message)
}

fn unsupported(message: String) -> Error {
    Error::new(Code::Unsupported, message)
}
