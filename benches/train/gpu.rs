//! How much of a GPU's memory is taken while a process runs, as `nvidia-smi` tells it: the same for both sides, whatever
//! each keeps in pools.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Asks again and again until it is stopped.
pub struct Watch {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Option<u64>>,
}

impl Watch {
    /// Begins to watch the GPU of `cuda:N`; `None` for the CPU.
    pub fn start(device: &str) -> Option<Self> {
        let index = device.strip_prefix("cuda:")?.to_owned();
        let done = Arc::new(AtomicBool::new(false));
        let stop = done.clone();
        let thread = std::thread::spawn(move || {
            let mut peak = None;
            while !stop.load(Ordering::Relaxed) {
                peak = peak.max(used_mib(&index));
                std::thread::sleep(Duration::from_millis(100));
            }
            peak
        });
        Some(Watch { done, thread })
    }

    /// The most that was seen.
    pub fn peak_gib(self) -> Option<f64> {
        self.done.store(true, Ordering::Relaxed);
        let mib = self.thread.join().ok().flatten()?;
        Some(mib as f64 / 1024.0)
    }
}

fn used_mib(index: &str) -> Option<u64> {
    let query = ["--query-gpu=memory.used", "--format=csv,noheader,nounits", "--id"];
    let output = Command::new("nvidia-smi").args(query).arg(index).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
