//! What a path is that was given as a model and is none: said by name, with what to do about it.

use super::folder::{entries, has_extension, name};
use crate::error::{Code, Error, Result};
use std::path::{Path, PathBuf};

/// How files begin that are taken for models, and what they are.
const BEGINNINGS: [(&[u8], &str); 13] = [
    (b"PK\x03\x04", "a ZIP archive, as PyTorch's .bin, .pt and .pth files are"),
    (b"\x80\x02", "a Python pickle, as older PyTorch files are"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"ggjt", "a GGML file of before GGUF"),
    (b"tjgg", "a GGML file of before GGUF"),
    (b"lmgg", "a GGML file of before GGUF"),
    (b"GGUF", "a GGUF file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"<!DOCTYPE", "a web page, perhaps of a failed download"),
    (b"<html", "a web page, perhaps of a failed download"),
    (b"{", "a JSON file"),
];

const CONVERT: &str = "convert it with transformers' save_pretrained, or to GGUF with llama.cpp";

/// What a file is by how it begins, if it is known.
pub(super) fn recognised(beginning: &[u8]) -> Option<&'static str> {
    BEGINNINGS.iter().find(|(front, _)| beginning.starts_with(front)).map(|(_, what)| *what)
}

/// The error for a file that is neither GGUF nor named so.
pub(super) fn not_a_model_file(path: &Path, beginning: &[u8]) -> Error {
    let why = if has_extension(path, "safetensors") {
        "is a file of weights alone; give the folder that it lies in, with config.json and tokenizer.json".to_owned()
    } else if has_extension(path, "json") {
        "is one file of a model; give the folder that it lies in".to_owned()
    } else if has_extension(path, "onnx") {
        "is an ONNX file, which is not read; give the model's Hugging Face folder or a GGUF file".to_owned()
    } else {
        match recognised(beginning) {
            Some(what) => format!("is {what}, which is not read; {CONVERT}"),
            None => "is neither a directory of model files nor a GGUF file".to_owned(),
        }
    };
    refusal(path, &why)
}

/// Refuses a folder without `config.json` and GGUF file, by what it has instead.
pub(super) fn not_a_model_folder(dir: &Path) -> Result<Error> {
    let found = entries(dir)?;
    let has = |file: &str| found.iter().any(|path| name(path) == file);
    let why = if has("adapter_config.json") {
        "is an adapter's folder, not a model's; load its base model, and then the adapter into that".to_owned()
    } else if has("snapshots") {
        match snapshot(dir) {
            Some(path) => format!("is a folder of Hugging Face's cache; give the snapshot in it, {}", path.display()),
            None => "is a folder of Hugging Face's cache without a whole snapshot; download the model again".to_owned(),
        }
    } else if let Some(repo) = found.iter().find(|path| name(path).starts_with("models--")) {
        format!("is Hugging Face's cache; give one model's snapshot in it, {}", repo.join("snapshots/…").display())
    } else if found.is_empty() {
        "is empty; expected config.json, tokenizer.json and safetensors, or a GGUF file".to_owned()
    } else if let Some(inner) = found.iter().find(|path| path.join("config.json").is_file()) {
        format!("has no config.json; there is one in {}, if you mean that", inner.display())
    } else {
        return Ok(no_weights(dir));
    };
    Ok(refusal(dir, &why))
}

/// The error for a folder without weights that are read.
pub(super) fn no_weights(dir: &Path) -> Error {
    let found = entries(dir).unwrap_or_default();
    let of = |extensions: &[&str]| found.iter().find(|path| extensions.iter().any(|one| has_extension(path, one)));
    let config = if dir.join("config.json").exists() { "" } else { "config.json, " };
    let hint = match (of(&["bin", "pt", "pth", "ckpt"]), of(&["onnx", "h5", "msgpack", "tflite", "mlmodel"])) {
        (Some(file), _) => format!("; it has {}, which PyTorch wrote and can run code: {CONVERT}", name(file)),
        (None, Some(file)) => format!("; it has {}, which is not read: {CONVERT}", name(file)),
        (None, None) if of(&["safetensors"]).is_some() => {
            "; it has other safetensors, which only an index can put together".to_owned()
        }
        (None, None) => String::new(),
    };
    refusal(dir, &format!("has no {config}model.safetensors and no index of shards{hint}"))
}

/// The one whole snapshot of a repository in the cache, or that of `main`.
fn snapshot(repo: &Path) -> Option<PathBuf> {
    let main = crate::files::read_text(&repo.join("refs/main"), 1 << 10).ok();
    let main = main.map(|hash| repo.join("snapshots").join(hash.trim()));
    let whole = |path: &PathBuf| path.join("config.json").exists();
    main.filter(whole).or_else(|| entries(&repo.join("snapshots")).ok()?.into_iter().find(whole))
}

/// What a model at `path` is called: a snapshot in Hugging Face's cache is a hash, whose repository has a name.
pub(crate) fn model_name(path: &Path) -> String {
    // A file may be a link to one that is named by its hash; a folder may be given as `.`.
    let folder = path.is_dir();
    let found = if folder { path.canonicalize().unwrap_or_else(|_| path.to_path_buf()) } else { path.to_path_buf() };
    let within = if folder { Some(&*found) } else { found.parent() };
    let repo = within.and_then(|snapshot| {
        let snapshots = snapshot.parent().filter(|parent| name(parent) == "snapshots")?;
        let repo = name(snapshots.parent()?);
        repo.strip_prefix("models--")?.rsplit("--").next().map(str::to_owned)
    });
    match repo {
        Some(repo) if folder => repo,
        _ => {
            let name = if folder { found.file_name() } else { found.file_stem() };
            name.map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
        }
    }
}

pub(super) fn refusal(path: &Path, why: &str) -> Error {
    Error::new(Code::ModelFormat, format!("{} {why}", path.display())).with_path(path)
}

#[cfg(test)]
mod tests {
    use super::super::ModelFiles;
    use super::*;
    use std::fs::{create_dir_all, write};

    #[test]
    fn what_is_no_model_is_called_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let put = |path: &str, content: &[u8]| {
            create_dir_all(at(path).parent().unwrap()).unwrap();
            write(at(path), content).unwrap();
        };
        create_dir_all(at("empty")).unwrap();
        put("adapter/adapter_config.json", b"{}");
        put("hub/models--Qwen--Qwen2.5-0.5B/snapshots/060db6/config.json", b"{}");
        put("hub/models--Qwen--Qwen2.5-0.5B/refs/main", b"060db6\n");
        put("torch/pytorch_model.bin", b"PK\x03\x04");
        put("pth/consolidated.00.pth", b"PK\x03\x04");
        put("onnx/model.onnx", b"\x08");
        put("above/checkpoint-200/config.json", b"{}");
        put("weights/model-00001-of-00002.safetensors", b"");
        put("x.pth", b"PK\x03\x04more");
        put("x.ot", b"\x80\x02more");
        put("x.bin", b"ggjtmore");
        put("x.html", b"<!DOCTYPE html>");
        put("x.onnx", b"\x08\x07");
        put("model.safetensors", b"........{}");
        put("config.json", b"{}");
        put("pointer.gguf", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
        for (path, words) in [
            ("empty", &["is empty", "config.json"][..]),
            ("adapter", &["adapter's folder", "base model"]),
            ("hub", &["Hugging Face's cache", "models--Qwen--Qwen2.5-0.5B"]),
            ("hub/models--Qwen--Qwen2.5-0.5B", &["Hugging Face's cache", "snapshots/060db6"]),
            ("torch", &["config.json, model.safetensors", "pytorch_model.bin", "save_pretrained"]),
            ("pth", &["consolidated.00.pth", "save_pretrained"]),
            ("onnx", &["model.onnx", "not read"]),
            ("above", &["checkpoint-200"]),
            ("weights", &["no config.json, model.safetensors", "index"]),
            ("x.pth", &["ZIP archive", "save_pretrained"]),
            ("x.ot", &["Python pickle"]),
            ("x.bin", &["before GGUF"]),
            ("x.html", &["web page"]),
            ("x.onnx", &["ONNX"]),
            ("model.safetensors", &["weights alone", "folder"]),
            ("config.json", &["give the folder"]),
            ("pointer.gguf", &["git-lfs pointer", "git lfs pull"]),
        ] {
            let err = ModelFiles::find(&at(path)).map(drop).unwrap_err();
            assert!(words.iter().all(|word| err.message().contains(word)), "{path}: {err}");
        }
    }

    #[test]
    fn a_snapshot_is_called_as_its_repository() {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = dir.path().join("models--Qwen--Qwen2.5-0.5B/snapshots/060db6499f32faf8b98477b0a26969ef7d8b9987");
        create_dir_all(&snapshot).unwrap();
        assert_eq!(model_name(&snapshot), "Qwen2.5-0.5B");
        assert_eq!(model_name(&snapshot.join("qwen-q8_0.gguf")), "qwen-q8_0");
        assert_eq!(model_name(&dir.path().join("nowhere")), "nowhere");
        let plain = dir.path().join("my model.v2");
        create_dir_all(&plain).unwrap();
        assert_eq!(model_name(&plain), "my model.v2");
        #[cfg(unix)]
        {
            let (blob, link) = (dir.path().join("8f9ecc61"), dir.path().join("qwen-q4_k_m.gguf"));
            write(&blob, b"GGUF").unwrap();
            std::os::unix::fs::symlink(&blob, &link).unwrap();
            assert_eq!(model_name(&link), "qwen-q4_k_m");
        }
    }
}
