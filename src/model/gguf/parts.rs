//! Models in several files, as `llama-gguf-split` cuts them: `NAME-00001-of-00003.gguf` with the metadata, and those with
//! the other tensors.

use super::Gguf;
use crate::error::{Code, Error, Result};
use std::path::{Path, PathBuf};

/// Far above any real one.
const MOST: u64 = 1 << 12;

/// The paths of all parts, if the file is one.
pub(super) fn paths(file: &Gguf) -> Result<Option<Vec<PathBuf>>> {
    let count = match file.whole("split.count")? {
        None | Some(0 | 1) => return Ok(None),
        Some(count) => count,
    };
    let path = file.path();
    let front = front(path, count).filter(|_| count <= MOST).ok_or_else(|| {
        let message = format!(
            "one of {count} parts of a model, without the name of one; expected NAME-00001-of-{count:05}.gguf with the others \
             beside it, or one file from `llama-gguf-split --merge`"
        );
        file.error(Code::Unsupported, message)
    })?;
    Ok(Some((1..=count).map(|part| path.with_file_name(format!("{front}-{part:05}-of-{count:05}.gguf"))).collect()))
}

/// What stands before the number of a part.
pub(crate) fn front(path: &Path, count: u64) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(&format!("-of-{count:05}.gguf"))?;
    let (front, number) = name.rsplit_once('-')?;
    (number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit())).then(|| front.to_owned())
}

/// The parts as one.
pub(super) fn joined(parts: impl Iterator<Item = Result<Gguf>>) -> Result<Gguf> {
    let mut whole: Option<Gguf> = None;
    for part in parts {
        let part = part?;
        let Some(whole) = &mut whole else {
            whole = Some(part);
            continue;
        };
        let index = whole.files.len();
        if part.whole("split.no")? != Some(index as u64) {
            return Err(part.error(Code::ModelFormat, format!("`split.no` is not {index}, as the file's name has it")));
        }
        for (name, mut info) in part.tensors {
            info.file = index;
            if whole.tensors.insert(name.clone(), info).is_some() {
                return Err(whole
                    .error(Code::ModelFormat, format!("tensor {name} is in two parts"))
                    .with("tensor", name));
            }
        }
        whole.files.extend(part.files);
    }
    let whole = whole.ok_or_else(|| Error::new(Code::Internal, "a model of no parts"))?;
    match whole.whole("split.tensors.count")? {
        Some(count) if count != whole.tensors.len() as u64 => {
            let found = whole.tensors.len();
            Err(whole.error(
                Code::ModelFormat,
                format!("the parts have {found} tensors, and `split.tensors.count` is {count}"),
            ))
        }
        _ => Ok(whole),
    }
}
