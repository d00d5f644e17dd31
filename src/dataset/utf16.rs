//! UTF-16, which spreadsheets call "Unicode text" and part with tabs.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// A file's bytes as UTF-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Utf16 {
    pub little_endian: bool,
    pub bom: bool,
}

impl Utf16 {
    /// By the byte order mark, or by the zero bytes of a file that begins with ASCII.
    pub fn of(bytes: &[u8]) -> Option<Utf16> {
        match bytes {
            [0xFF, 0xFE, ..] => return Some(Utf16 { little_endian: true, bom: true }),
            [0xFE, 0xFF, ..] => return Some(Utf16 { little_endian: false, bom: true }),
            _ => {}
        }
        let start = &bytes[..bytes.len().min(4096)];
        let zeros = |parity: usize| start.iter().skip(parity).step_by(2).filter(|&&byte| byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        let found = |little_endian| Utf16 { little_endian, bom: false };
        match (odd > 8 * even && odd > 3, even > 8 * odd && even > 3) {
            (true, _) => Some(found(true)),
            (_, true) => Some(found(false)),
            _ => None,
        }
        .filter(|kind| kind.decode(bytes).is_ok_and(|text| !text.contains('\0')))
    }

    pub fn name(self) -> &'static str {
        match (self.little_endian, self.bom) {
            (true, true) => "utf-16le with bom",
            (true, false) => "utf-16le",
            (false, true) => "utf-16be with bom",
            (false, false) => "utf-16be",
        }
    }

    /// The text; or what comes before the first half of a character.
    pub fn decode(self, bytes: &[u8]) -> Result<String, String> {
        let body = &bytes[if self.bom { 2 } else { 0 }..];
        let encoding: &Encoding = if self.little_endian { UTF_16LE } else { UTF_16BE };
        if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(body) {
            return Ok(text.into_owned());
        }
        let unit = if self.little_endian { u16::from_le_bytes } else { u16::from_be_bytes };
        let units = body.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        Err(char::decode_utf16(units).map_while(Result::ok).collect())
    }
}
