//! A page as its reader follows it: the commands in its blocks run, in their order, and print what it shows.

use crate::native::root;
use crate::tool;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Command;

/// The blocks of a page: each one's kind, e.g. `sh`, and its text.
pub fn blocks(page: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(root().join(page)).unwrap().replace("\r\n", "\n");
    let mut blocks = Vec::new();
    let mut parts = text.split("\n```");
    parts.next();
    while let Some(block) = parts.next() {
        let (kind, text) = block.split_once('\n').unwrap();
        blocks.push((kind.to_owned(), text.to_owned()));
        parts.next();
    }
    blocks
}

/// Runs a block in a folder; what it printed.
pub fn run(block: &str, home: &Path) -> String {
    let folder = tool::path().unwrap().parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-e", "-c", block]).env("PATH", path).current_dir(home).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{block}\n{out}\n{err}");
    out
}

/// Accepts every change in the Word files of a folder, as a reviewer may.
pub fn accept_all(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mut archive = zip::ZipArchive::new(Cursor::new(std::fs::read(&path).unwrap())).unwrap();
        let mut written = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..archive.len() {
            let mut part = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            part.read_to_end(&mut bytes).unwrap();
            let name = part.name().unwrap().into_owned();
            if name == "word/document.xml" {
                bytes = without_insertion_marks(&String::from_utf8(bytes).unwrap()).into_bytes();
            }
            written.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            written.write_all(&bytes).unwrap();
        }
        std::fs::write(&path, written.finish().unwrap().into_inner()).unwrap();
    }
}

/// The document without its `<w:ins …>` tags: what they hold is then simply there.
fn without_insertion_marks(xml: &str) -> String {
    let mut out = String::new();
    for (index, part) in xml.split('<').enumerate() {
        match part.strip_prefix("w:ins ").or_else(|| part.strip_prefix("/w:ins>").map(|_| part)) {
            Some(tag) => out.push_str(tag.split_once('>').unwrap().1),
            None if index == 0 => out.push_str(part),
            None => out.extend(["<", part]),
        }
    }
    assert_ne!(out, xml, "there was no change to accept");
    out
}
