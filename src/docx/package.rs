//! A Word file as its parts: a ZIP archive, read within limits and written with the same bytes for the same parts.

use super::xml::{Element, parse};
use crate::error::{Code, Error, Result};
use std::io::{Cursor, Read, Write};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// Bytes of a file, of one of its parts when inflated, and of all of them.
pub(super) const MAX_FILE: usize = 128 << 20;
const MAX_PART: u64 = 64 << 20;
const MAX_PARTS: u64 = 256 << 20;
const MAX_COUNT: usize = 4096;

/// What an old or an encrypted file of Office begins with.
const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// Names and contents, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Package {
    parts: Vec<(String, Vec<u8>)>,
}

impl Package {
    /// Reads the parts whose names are `wanted`.
    pub(super) fn read(bytes: &[u8], wanted: impl Fn(&str) -> bool) -> Result<Self> {
        check_kind(bytes)?;
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|err| damaged(&err))?;
        if archive.len() > MAX_COUNT {
            return Err(bad(format!("the file has {} parts; expected at most {MAX_COUNT}", archive.len())));
        }
        let mut package = Package::default();
        let mut left = MAX_PARTS;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(|err| damaged(&err))?;
            let name = entry.name().map_err(|err| damaged(&err))?.into_owned();
            if entry.is_dir() || !wanted(&name) {
                continue;
            }
            let limit = left.min(MAX_PART);
            let mut content = Vec::new();
            entry.take(limit + 1).read_to_end(&mut content).map_err(|err| damaged_part(&name, &err))?;
            if content.len() as u64 > limit {
                let message = format!("the part {name} is larger than {limit} bytes when inflated; expected less");
                return Err(bad(message).with("part", &name));
            }
            left -= content.len() as u64;
            package.parts.push((name, content));
        }
        Ok(package)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(name, _)| name.as_str())
    }

    /// The root of a part that is XML, if the part is there.
    pub(super) fn xml(&self, name: &str) -> Result<Option<Element>> {
        let Some((_, content)) = self.parts.iter().find(|(known, _)| known == name) else { return Ok(None) };
        let about = |why: String| bad(format!("the part {name} of the file is damaged: {why}")).with("part", name);
        let text = std::str::from_utf8(content)
            .map_err(|err| about(format!("it is not UTF-8 at byte {}", err.valid_up_to())))?;
        parse(text).map(Some).map_err(about)
    }

    /// The same of a part that must be there.
    pub(super) fn required(&self, name: &str) -> Result<Element> {
        self.xml(name)?.ok_or_else(|| {
            bad(format!("the file has no part {name}; expected a .docx as Word or LibreOffice saves it"))
                .with("part", name)
        })
    }

    pub(super) fn set(&mut self, name: &str, root: &Element) {
        let content = root.document().into_bytes();
        match self.parts.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = content,
            None => self.parts.push((name.to_owned(), content)),
        }
    }

    /// The file. Its entries have no time of their own.
    pub(super) fn write(&self) -> Result<Vec<u8>> {
        let write = || {
            let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
            for (name, content) in &self.parts {
                writer.start_file(name.as_str(), SimpleFileOptions::default())?;
                writer.write_all(content)?;
            }
            writer.finish().map(Cursor::into_inner)
        };
        write().map_err(|err| Error::new(Code::Internal, format!("the file cannot be packed: {err}")))
    }
}

fn check_kind(bytes: &[u8]) -> Result<()> {
    if bytes.len() > MAX_FILE {
        return Err(bad(format!("the file has {} bytes; expected at most {MAX_FILE}", bytes.len())));
    }
    if bytes.starts_with(OLE) {
        let encrypted: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let is_encrypted = bytes.windows(encrypted.len()).any(|window| window == encrypted);
        return Err(bad(if is_encrypted {
            "the file is encrypted; expected one without a password: remove it in Word under File, Info, Protect Document"
        } else {
            "the file is in a format of Office before 2007 (.doc); expected .docx: save it as such"
        }));
    }
    if !bytes.starts_with(b"PK") {
        return Err(bad("the file is no ZIP archive, as every .docx is; expected a .docx"));
    }
    Ok(())
}

fn damaged(err: &ZipError) -> Error {
    match err {
        ZipError::UnsupportedArchive(what) => {
            bad(format!("the file cannot be read: {what}; expected a .docx without it"))
        }
        _ => bad(format!("the file is a damaged ZIP archive: {err}; save it again")),
    }
}

fn damaged_part(name: &str, err: &std::io::Error) -> Error {
    bad(format!("the part {name} of the file is damaged: {err}; save it again")).with("part", name)
}

/// An error about a Word file.
pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(Code::DocxFormat, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zipped(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let parts = parts.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        Package { parts }.write().unwrap()
    }

    #[test]
    fn parts_are_read_back_and_others_left_out() {
        let bytes = zipped(&[("a.xml", b"<a/>"), ("b.png", b"\x89")]);
        let package = Package::read(&bytes, |name| name.ends_with(".xml")).unwrap();
        assert_eq!(package.names().collect::<Vec<_>>(), ["a.xml"]);
        assert_eq!(package.required("a.xml").unwrap(), Element::new("a"));
        assert!(package.xml("b.png").unwrap().is_none());
        assert_eq!(bytes, zipped(&[("a.xml", b"<a/>"), ("b.png", b"\x89")]));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let bomb = zipped(&[("a.xml", &vec![b' '; MAX_PART as usize + 1])]);
        let names: Vec<String> = (0..=MAX_COUNT).map(|index| index.to_string()).collect();
        let many = zipped(&names.iter().map(|name| (name.as_str(), &b""[..])).collect::<Vec<_>>());
        let encrypted =
            [OLE, &"EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat();
        let whole = zipped(&[("a.xml", b"<a/>")]);
        for (bytes, words) in [
            (&b""[..], "no ZIP archive"),
            (b"hello", "no ZIP archive"),
            (b"PK\x03\x04 and more", "damaged ZIP"),
            (&whole[..whole.len() - 30], "damaged ZIP"),
            (OLE, "before 2007"),
            (&encrypted, "encrypted"),
            (&bomb, "larger than"),
            (&many, "parts; expected at most"),
        ] {
            let err = Package::read(bytes, |_| true).unwrap_err();
            assert!(err.message().contains(words), "{err}");
            assert_eq!(err.code(), Code::DocxFormat);
        }
        let package = Package::read(&zipped(&[("a.xml", b"<a>"), ("b.xml", b"\xff")]), |_| true).unwrap();
        for (name, words) in [("a.xml", "ends inside"), ("b.xml", "not UTF-8"), ("c.xml", "no part c.xml")] {
            let err = package.required(name).unwrap_err();
            assert!(err.message().contains(words) && err.details()["part"] == name, "{err}");
        }
    }
}
