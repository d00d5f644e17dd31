//! Many random mutations of the corpus through each target, without a fuzzer's instruments: what any build can run.
//!
//! `TAILORA_MUTATIONS=100000 cargo test --lib mutations -- --ignored --nocapture`; `TAILORA_FUZZ_TARGET` names one kind.

use super::TARGETS;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::{Duration, Instant};

/// No input may take longer, or the process grow by more.
const LONGEST: Duration = Duration::from_secs(2);
const GROWTH: u64 = 1 << 30;

/// Pieces that formats of text and of bytes give a meaning to.
const PIECES: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\0",
    b"-1",
    b"0",
    b"1e999",
    b"null",
    b"true",
    b"99999999999999999999",
    b"-9223372036854775808",
    b"{{",
    b"}}",
    b"{%",
    b"%}",
    b"$ref",
    b"(",
    b")*",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xef\xbb\xbf",
    b"\xe9\xab\x98",
    b"\xf0\x9f\x98\x80",
    b"\xed\xa0\x80",
    b"\t",
    b"|",
];

/// A handful of changes to `input`; `other` gives parts to splice in.
fn mutate(random: &mut StdRng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..random.random_range(1..=6) {
        let at = random.random_range(0..=bytes.len());
        let end = random.random_range(at..=bytes.len().min(at + 64));
        match random.random_range(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let part = bytes[at..end].repeat(random.random_range(1..4));
                bytes.splice(at..at, part);
            }
            4 | 5 => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            6 => bytes.truncate(at),
            7 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let to = random.random_range(from..=other.len().min(from + 256));
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                let piece = PIECES[random.random_range(0..PIECES.len())].repeat(random.random_range(1..200));
                bytes.splice(at..end, piece);
            }
        }
        bytes.truncate(1 << 20);
    }
    bytes
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// The processor's time that this process has used, in hundredths of a second; `None` where it is not known.
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in brackets, may have blanks; the counts are the 12th and 13th after it.
    let mut counts = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(Duration::from_millis(10 * (counts.next()?.ok()? + counts.next()?.ok()?)))
}

/// How long `work` takes: by the clock, or on a machine that is busy with something else, by the time that the processor had
/// for it. But what waits uses none, so that a twentieth of the clock's counts in any case.
fn time_of(work: impl Fn()) -> Duration {
    let (start, used) = (Instant::now(), processor_time());
    work();
    let clock = start.elapsed();
    let own = processor_time().zip(used).map(|(now, before)| now.saturating_sub(before));
    own.map_or(clock, |own| clock.min(own.max(clock / 20)))
}

/// The same; what takes long is done again.
fn soonest(work: impl Fn()) -> Duration {
    let timed = || time_of(&work);
    let first = timed();
    if first < LONGEST { first } else { (0..2).map(|_| timed()).fold(first, Duration::min) }
}

#[test]
#[ignore = "minutes to hours"]
fn mutations_do_no_harm() {
    let count: usize = std::env::var("TAILORA_MUTATIONS").map_or(1000, |count| count.parse().unwrap());
    let seed: u64 = std::env::var("TAILORA_SEED").map_or(1, |seed| seed.parse().unwrap());
    let only = std::env::var("TAILORA_FUZZ_TARGET").ok();
    let scratch = std::env::temp_dir();
    for (name, run) in TARGETS.iter().filter(|(name, _)| only.as_deref().is_none_or(|only| only == *name)) {
        let (inputs, mut random) = (corpus(name), StdRng::seed_from_u64(seed));
        let last = scratch.join(format!("tailora-mutation-{name}-{}", std::process::id()));
        // What a target loads once, a model for one, is not the time of the first input.
        inputs.iter().for_each(|input| run(input));
        let before = crate::memory::resident().map_or(0, |resident| resident.now);
        let (begun, mut longest) = (Instant::now(), Duration::ZERO);
        for _ in 0..count {
            let pick = |random: &mut StdRng| random.random_range(0..inputs.len());
            let (input, other) = (pick(&mut random), pick(&mut random));
            let bytes = mutate(&mut random, &inputs[input], &inputs[other]);
            // Still there if the process dies.
            std::fs::write(&last, &bytes).unwrap();
            let took = soonest(|| run(&bytes));
            longest = longest.max(took);
            assert!(took < LONGEST, "{}: {took:?}", last.display());
        }
        let growth = crate::memory::resident().map_or(0, |resident| resident.peak.saturating_sub(before));
        println!(
            "{name}: {count} mutations in {:?}, the longest {longest:?}, {} MiB more",
            begun.elapsed(),
            growth >> 20
        );
        assert!(growth < GROWTH, "{name} grew by {growth} bytes");
        std::fs::remove_file(&last).unwrap();
    }
}
