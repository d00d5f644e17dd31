//! Loading the decoder of a model that an input made.

use super::check;
use crate::control::Monitor;
use crate::model::{Decoder, KvCacheDtype, LoadPlan, ModelFiles};
use crate::tensor::DeviceChoice;
use crate::weights::Dtype;
use std::path::{Path, PathBuf};

/// Loads what `write` makes of an empty folder.
pub(super) fn load(write: impl FnOnce(&Path) -> std::io::Result<PathBuf>) {
    let dir = tempfile::tempdir().unwrap_or_else(|err| panic!("no temporary folder: {err}"));
    let path = write(dir.path()).unwrap_or_else(|err| panic!("no temporary file: {err}"));
    let plan = LoadPlan {
        device: DeviceChoice::Cpu,
        dtype: Dtype::Auto,
        quantize: None,
        exact: false,
        kv_cache_dtype: KvCacheDtype::Auto,
        threads: 1,
    };
    let Some(files) = check(ModelFiles::find(&path)) else { return };
    if let Some(decoder) = check(Decoder::open(&files, &plan, &mut Monitor::none())) {
        check(decoder.sha256());
    }
}
