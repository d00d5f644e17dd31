//! A process that is measured: what it printed, and its highest resident memory, seen from outside, the same way for
//! both sides.

use crate::program::Outcome;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Standard output, and the last `VmHWM` in GiB; `None` on systems without `/proc`.
pub fn run(command: &mut Command) -> Outcome<(String, Option<f64>)> {
    let line = format!("{command:?}");
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|err| format!("cannot start {line}: {err}"))?;
    let mut stdout = child.stdout.take().ok_or("no standard output")?;
    let mut text = String::new();
    let (read, peak_gib) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| stdout.read_to_string(&mut text));
        let mut peak_gib = None;
        while !reader.is_finished() {
            // Nothing once the process has ended: the value before it stays.
            peak_gib = highest_gib(child.id()).or(peak_gib);
            std::thread::sleep(Duration::from_millis(20));
        }
        (reader.join(), peak_gib)
    });
    read.map_err(|_| "the reader panicked")??;
    let status = child.wait()?;
    match status.success() {
        true => Ok((text, peak_gib)),
        false => Err(format!("{line} ended with {status}").into()),
    }
}

/// The highest resident memory of a process so far.
pub fn highest_gib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / f64::from(1 << 20))
}
