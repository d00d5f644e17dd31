//! TensorBoard event files with scalars, and nothing more.
//!
//! The format is three small things: TFRecord framing, a checksum, four protobuf messages. The crates that write it bring
//! along an image library or the protobuf compiler, so it is written out here.
//! (<https://github.com/tensorflow/tensorboard/blob/master/tensorboard/compat/proto/event.proto>, `summary.proto`;
//! framing: <https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>.)

use crate::error::{IoContext, Result};
use crate::files::append::AppendFile;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An open event file.
#[derive(Debug)]
pub(crate) struct EventWriter(AppendFile);

impl EventWriter {
    /// Starts a new file in `dir`. TensorBoard shows all event files of a folder as one run, in the order of their names.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        let started = wall_time();
        let mut attempt = 0u32;
        let file = loop {
            // TensorFlow: events.out.tfevents.<seconds>.<host>.<pid>.<count>; the host's name is nobody's business.
            let name = format!("events.out.tfevents.{:010}.tailora.{}.{attempt}", started as u64, std::process::id());
            let path = dir.join(name);
            match AppendFile::create_new(&path) {
                Ok(file) => break file,
                Err(err) if err.kind() == std::io::ErrorKind::AlreadyExists && attempt < 10_000 => attempt += 1,
                Err(err) => return Err(err).at("create", &path),
            }
        };
        let mut writer = EventWriter(file);
        let mut event = Message::default();
        event.double(1, started).bytes(3, b"brain.Event:2");
        writer.write(&event)?;
        Ok(writer)
    }

    /// Adds one point to the curve `tag`, for example `train/loss`.
    pub(crate) fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        let (mut point, mut summary, mut event) = (Message::default(), Message::default(), Message::default());
        point.bytes(1, tag.as_bytes()).float(2, value as f32);
        summary.bytes(1, &point.0);
        event.double(1, wall_time()).varint(2, step).bytes(5, &summary.0);
        self.write(&event)
    }

    fn write(&mut self, event: &Message) -> Result<()> {
        self.0.add(&record(&event.0))
    }
}

fn wall_time() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// TFRecord: length, its checksum, data, its checksum; all little-endian.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length).to_le_bytes(), data, &masked_crc(data).to_le_bytes()].concat()
}

/// CRC-32C, rotated and shifted: TFRecord stores it so because a checksum over data that holds checksums is weak.
fn masked_crc(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// A protobuf message under construction: fields are a key (number and wire type) and a value, one after the other.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u32, value: u64) -> &mut Self {
        self.key(field, 0);
        self.raw_varint(value);
        self
    }

    fn double(&mut self, field: u32, value: f64) -> &mut Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u32, value: &[u8]) -> &mut Self {
        self.key(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn float(&mut self, field: u32, value: f32) -> &mut Self {
        self.key(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn key(&mut self, field: u32, wire_type: u32) {
        self.raw_varint(u64::from(field << 3 | wire_type));
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checksums from TensorBoard's own `RecordWriter` for the same data.
    #[test]
    fn records_are_framed_as_tensorflow_does() {
        let mut event = Message::default();
        event.double(1, 0.0).bytes(3, b"brain.Event:2");
        let bytes = record(&event.0);
        assert_eq!(bytes[..8], 24u64.to_le_bytes());
        assert_eq!(bytes[12..21], [9, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[21..36], b"\x1a\x0dbrain.Event:2");
        assert_eq!(bytes[8..12], GOLDEN_LENGTH_CRC);
        assert_eq!(bytes[36..], GOLDEN_DATA_CRC);
    }

    const GOLDEN_LENGTH_CRC: [u8; 4] = [163, 127, 75, 34];
    const GOLDEN_DATA_CRC: [u8; 4] = [238, 223, 40, 163];

    #[test]
    fn numbers_are_varints() {
        let mut message = Message::default();
        message.varint(2, 300);
        assert_eq!(message.0, [0x10, 0xac, 0x02]);
        let mut message = Message::default();
        message.varint(1, u64::MAX);
        assert_eq!(message.0.len(), 11);
    }

    #[test]
    fn a_second_file_gets_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, two) = (EventWriter::create(dir.path()).unwrap(), EventWriter::create(dir.path()).unwrap());
        one.scalar("train/loss", 3, 1.5).unwrap();
        drop((one, two));
        let sizes = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len());
        let sizes: std::collections::BTreeSet<u64> = sizes.collect();
        assert_eq!(sizes.len(), 2, "two files of different sizes: {sizes:?}");
        assert!(EventWriter::create(&dir.path().join("none")).is_err());
    }

    /// TensorBoard reads what we write, where Python has it: set `TAILORA_PYTHON` to its interpreter.
    #[test]
    fn tensorboard_reads_it() {
        let Some(python) = std::env::var_os("TAILORA_PYTHON") else {
            println!("SKIPPED: tensorboard_reads_it: TAILORA_PYTHON does not name a Python with tensorboard");
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let mut writer = EventWriter::create(dir.path()).unwrap();
        let losses = [2.5, 1.25, f64::from(0.3f32)];
        for (step, loss) in (0u64..).zip(losses) {
            writer.scalar("train/loss", step, loss).unwrap();
            writer.scalar("评估/损失", step * 1000, loss).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/check_tensorboard.py");
        let output = std::process::Command::new(python).arg(script).arg(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let read: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        for (index, loss) in losses.iter().enumerate() {
            assert_eq!(read["train/loss"][index], serde_json::json!([index, loss]));
            assert_eq!(read["评估/损失"][index], serde_json::json!([index * 1000, loss]));
        }
    }
}
