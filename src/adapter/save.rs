//! Writing a PEFT folder: built under another name, synced, then renamed, so that it is there whole or not at all.

use super::load::{FILE_NAME, Factor, tensor_name};
use super::{Adapter, config, manifest, values};
use crate::error::{Code, Error, IoContext, Result};
use crate::files::write_atomic;
use candle_core::Tensor;
use safetensors::tensor::{Dtype, View};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

impl Adapter {
    /// Writes `dir` with `adapter_config.json`, `adapter_model.safetensors` (as PEFT reads them) and `tailora.json`.
    ///
    /// `dir` must not exist yet, or be empty; its parent is created. After a failure, nothing of it is there.
    ///
    /// # Errors
    /// `Io`: `dir` has something in it, cannot be created, or the disk is full.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).at("create", parent)?;
        refuse_to_overwrite(dir)?;
        let temp = tempfile::Builder::new().prefix(".tailora-").tempdir_in(parent).at("create a folder in", parent)?;
        make_readable(temp.path())?;
        self.write_into(temp.path())?;
        if dir.exists() {
            std::fs::remove_dir(dir).at("replace", dir)?;
        }
        std::fs::rename(temp.path(), dir).at("rename into", dir)?;
        let _ = temp.keep();
        crate::files::sync_folder(parent)
    }

    fn write_into(&self, dir: &Path) -> Result<()> {
        let pretty = |value: &serde_json::Value| format!("{value:#}\n");
        let manifest = serde_json::to_value(self.manifest())
            .map_err(|err| Error::new(Code::Internal, format!("the manifest cannot be written as JSON: {err}")))?;
        let tensors = self.serialize()?;
        write_atomic(&dir.join(FILE_NAME), |file| file.write_all(&tensors))?;
        write_atomic(&dir.join(config::FILE_NAME), |file| {
            file.write_all(pretty(&self.config().to_value()).as_bytes())
        })?;
        write_atomic(&dir.join(manifest::FILE_NAME), |file| file.write_all(pretty(&manifest).as_bytes()))
    }

    fn serialize(&self) -> Result<Vec<u8>> {
        let mut tensors = Vec::with_capacity(self.weights().len() * 2);
        for (site, weights) in self.weights() {
            tensors.push((tensor_name(*site, Factor::A), Stored::new(&weights.a)?));
            tensors.push((tensor_name(*site, Factor::B), Stored::new(&weights.b)?));
        }
        // transformers looks for this key before it reads a safetensors file.
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        safetensors::serialize(tensors, Some(format))
            .map_err(|err| Error::new(Code::Internal, format!("the adapter's tensors cannot be written: {err}")))
    }
}

/// A tensor as safetensors wants to see it.
struct Stored {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn new(tensor: &Tensor) -> Result<Self> {
        let bytes = values(tensor)?.into_iter().flat_map(f32::to_le_bytes).collect();
        Ok(Stored { shape: tensor.dims().to_vec(), bytes })
    }
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn refuse_to_overwrite(dir: &Path) -> Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let occupied = !dir.is_dir() || std::fs::read_dir(dir).at("read", dir)?.next().is_some();
    if occupied {
        return Err(Error::new(
            Code::Io,
            format!("{} is already there; adapters are never overwritten, choose a new folder", dir.display()),
        )
        .with("path", dir.display().to_string()));
    }
    Ok(())
}

/// Temporary folders are made for their owner only; an adapter is as readable as any other new folder.
fn make_readable(dir: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).at("set permissions of", dir)?;
    }
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::LoraConfig;
    use super::super::tests::{base, trained};
    use super::*;

    /// Runs in a child process whose files may not grow beyond a few KiB: the same error path as a full disk.
    #[cfg(unix)]
    #[test]
    fn a_full_disk_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let me = std::env::current_exe().unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact adapter::save::tests::saves_until_the_limit --ignored --nocapture"])
            .arg(me)
            .env("TAILORA_TEST_SAVE_INTO", dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "something was left behind");
    }

    #[cfg(unix)]
    #[test]
    #[ignore = "the child of a_full_disk_leaves_nothing"]
    fn saves_until_the_limit() {
        let Some(dir) = std::env::var_os("TAILORA_TEST_SAVE_INTO") else { return };
        let adapter = trained(&LoraConfig { r: 16, ..Default::default() }, &base("qwen2"), 3);
        let err = adapter.save(&Path::new(&dir).join("adapter")).unwrap_err();
        assert_eq!(err.code(), Code::Io, "{err}");
        assert!(err.message().contains("cannot write") && err.message().contains("adapter_model.safetensors"), "{err}");
    }
}
