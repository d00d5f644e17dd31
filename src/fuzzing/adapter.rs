//! An adapter's folder: `adapter_config.json` up to the first zero byte, `adapter_model.safetensors` after it.

use super::check;
use crate::adapter::{Adapter, AdapterBase, AdapterOptions};
use crate::model::{APART, Sites};
use crate::tensor::Device;

pub(super) fn run(bytes: &[u8]) {
    let (config, tensors) = match bytes.iter().position(|byte| *byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[][..]),
    };
    let dir = tempfile::tempdir().unwrap_or_else(|err| panic!("no temporary folder: {err}"));
    for (name, content) in [("adapter_config.json", config), ("adapter_model.safetensors", tensors)] {
        std::fs::write(dir.path().join(name), content).unwrap_or_else(|err| panic!("no temporary file: {err}"));
    }
    let base = AdapterBase::new(Sites { table: &APART, num_layers: 2 }, &Device::host(), |_| (4, 4));
    if let Some(adapter) = check(Adapter::load_with(dir.path(), base, &AdapterOptions::default())) {
        check(Adapter::merge("merged", &[(adapter.clone(), 2.0), (adapter, -1.0)]));
    }
}
