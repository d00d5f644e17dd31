//! Memory of this process and of the machine, as the operating system counts it; and asking for it where a refusal can still
//! be an error.

use crate::error::{Code, Error, Result};
use memmap2::MmapMut;
use std::sync::atomic::{AtomicU64, Ordering};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// Left for what is allocated in passing and cannot fail: names, lists, errors, stacks of threads. glibc takes memory for
/// a thread from a range of its own that it reserves 128 MiB at a time; where it gets none, the smallest piece takes a page.
const HEADROOM: u64 = if cfg!(all(target_os = "linux", target_env = "gnu")) { 160 << 20 } else { 24 << 20 };

/// The error where the system gives no memory.
pub(crate) fn exhausted(bytes: u64) -> Error {
    Error::new(
        Code::OutOfMemory,
        format!(
            "the system gives no {bytes} bytes of memory; free some, raise the limit of this process, or take a smaller \
             model, batch or context"
        ),
    )
    .with("bytes", bytes)
}

/// Whether the system would give `bytes` now, besides some headroom: asked before work inside of libraries that end the
/// process where it would not. Nothing is kept, so what other threads take meanwhile is not seen.
pub(crate) fn probe(bytes: u64) -> Result<()> {
    let wanted = bytes.saturating_add(HEADROOM);
    // Not by way of the allocator: it draws conclusions from sizes that are freed.
    match usize::try_from(wanted).ok().and_then(|len| MmapMut::map_anon(len).ok()) {
        Some(_) => Ok(()),
        None => Err(exhausted(wanted)),
    }
}

/// A vector with room for `len` elements.
pub(crate) fn reserved<T>(len: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    match vector.try_reserve_exact(len) {
        Ok(()) => Ok(vector),
        Err(_) => Err(exhausted((len as u64).saturating_mul(size_of::<T>() as u64))),
    }
}

/// What of this process lies in physical memory, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resident {
    pub(crate) now: u64,
    /// The most so far. Linux keeps count of it; elsewhere it is the most that was seen by asking.
    pub(crate) peak: u64,
}

/// Physical memory of this process; `None` where the system does not say.
pub(crate) fn resident() -> Option<Resident> {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    let (now, peak) = system_resident()?;
    let seen = SEEN.fetch_max(now.max(peak), Ordering::Relaxed);
    Some(Resident { now, peak: seen.max(now).max(peak) })
}

/// Bytes that this process can still get without swapping, in its container if it is in one; `None` where the system does
/// not say.
pub(crate) fn available() -> Option<u64> {
    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(refresh);
    // A container's page cache counts as used but is given up when needed; its processes' pages are not.
    let container = system.cgroup_limits().map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let machine = Some(system.available_memory()).filter(|bytes| *bytes > 0);
    match (machine, container) {
        (Some(machine), Some(container)) => Some(machine.min(container)),
        (machine, container) => machine.or(container),
    }
}

/// Resident bytes now and at most.
#[cfg(target_os = "linux")]
fn system_resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kilobytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    Some((kilobytes("VmRSS:")? << 10, kilobytes("VmHWM:")? << 10))
}

#[cfg(not(target_os = "linux"))]
fn system_resident() -> Option<(u64, u64)> {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate};
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    let refresh = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[process]), false, refresh);
    let now = system.process(process)?.memory();
    Some((now, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_holds_is_seen_and_remembered() {
        let before = resident().unwrap();
        assert!(before.now > 1 << 20 && before.peak >= before.now, "{before:?}");
        let block = vec![1u8; 64 << 20];
        let with = resident().unwrap();
        assert!(with.peak >= before.now + (48 << 20), "{before:?} {with:?} {}", block[12345]);
        drop(block);
        assert!(resident().unwrap().peak >= with.peak);
    }

    #[test]
    fn what_no_machine_has_is_an_error() {
        for err in [probe(1 << 60).unwrap_err(), probe(u64::MAX).unwrap_err(), reserved::<u64>(1 << 57).unwrap_err()] {
            assert_eq!(err.code(), Code::OutOfMemory);
            assert!(err.details()["bytes"].as_u64().unwrap() >= 1 << 60, "{err}");
        }
        probe(1 << 20).unwrap();
        assert!(reserved::<u64>(10).unwrap().capacity() >= 10);
    }

    #[test]
    fn some_memory_is_available() {
        assert!(available().unwrap() > 1 << 20);
    }
}
