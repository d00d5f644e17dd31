//! Names of people (personnel numbers) as salted hashes: what must be told apart or found again is kept without being
//! readable.
//!
//! A hash hides an id from who reads the file, not from who tries: personnel numbers are few, and the salt lies beside the
//! hashes.

use crate::error::{Code, Error, Result};
use rand::TryRngCore;
use rand::rngs::OsRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is hashed before each id, so that the same id has another hash elsewhere. Sixteen random bytes, as hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Salt(String);

impl Salt {
    pub(crate) fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        OsRng
            .try_fill_bytes(&mut bytes)
            .map_err(|err| Error::new(Code::Io, format!("the system gives no random numbers for a salt: {err}")))?;
        Ok(Salt(hex(&bytes)))
    }

    /// SHA-256 of the salt's text, a zero byte, and the id in UTF-8.
    pub(crate) fn hash(&self, id: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(&self.0);
        hash.update([0]);
        hash.update(id);
        hash.finalize().into()
    }

    /// The first half of the hash, as hex: 128 bits, which no two ids share by chance.
    pub(crate) fn short_hash(&self, id: &str) -> String {
        hex(&self.hash(id)[..16])
    }
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first eight bytes of a hash as a number, big-endian.
pub(crate) fn leading_u64(hash: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_salt_and_id() {
        let salt = Salt("00ff".to_owned());
        // printf '00ff\0E-17' | sha256sum
        assert_eq!(salt.short_hash("E-17"), hex(&Sha256::digest(b"00ff\0E-17")[..16]));
        let (one, other) = (Salt::random().unwrap(), Salt::random().unwrap());
        assert_eq!(one.0.len(), 32);
        assert_ne!(one.short_hash("E-17"), other.short_hash("E-17"));
        assert_ne!(one.short_hash("E-17"), one.short_hash("E-18"));
        let mut bytes = [0; 32];
        (bytes[0], bytes[7], bytes[8]) = (1, 2, 255);
        assert_eq!(leading_u64(&bytes), (1 << 56) + 2);
    }
}
