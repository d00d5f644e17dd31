//! How much of a GPU's memory is taken while a process runs, as `nvidia-smi` tells it: the same for both sides, whatever
//! each keeps in pools.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Seldom, since the driver answers this and the measured process one after the other; pools keep their peak.
const INTERVAL: Duration = Duration::from_millis(300);

/// Asks again and again until it is dropped.
pub struct Watch {
    /// Of the thread that asks, and ours.
    peak_mib: Arc<AtomicU64>,
}

impl Watch {
    /// Begins to watch the GPU of `cuda:N`; `None` for the CPU.
    pub fn start(device: &str) -> Option<Self> {
        let index = device.strip_prefix("cuda:")?.to_owned();
        let peak_mib = Arc::new(AtomicU64::new(0));
        let watched = Arc::downgrade(&peak_mib);
        std::thread::spawn(move || {
            while let Some(peak_mib) = watched.upgrade() {
                peak_mib.fetch_max(used_mib(&index).unwrap_or_default(), Ordering::Relaxed);
                drop(peak_mib);
                std::thread::sleep(INTERVAL);
            }
        });
        Some(Watch { peak_mib })
    }

    /// The most that was seen so far.
    pub fn peak_gib(&self) -> Option<f64> {
        let mib = self.peak_mib.load(Ordering::Relaxed);
        (mib > 0).then(|| mib as f64 / 1024.0)
    }
}

fn used_mib(index: &str) -> Option<u64> {
    let query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id"];
    let output = Command::new("nvidia-smi").args(query).arg(index).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
