//! Memory of this process and of the machine, as the operating system counts it.

use std::sync::atomic::{AtomicU64, Ordering};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

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
    fn some_memory_is_available() {
        assert!(available().unwrap() > 1 << 20);
    }
}
