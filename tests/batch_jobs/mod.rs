//! Jobs in processes that are killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Where a process that a test started finds its job.
pub const FOLDER: &str = "TAILORA_TEST_BATCH_IN";

/// Runs `test` in processes that work on the job in `folder`, each killed up to `pause` after it has written a line, until
/// one lives to its end; gives the number of kills.
pub fn kill_until_done(test: &str, folder: &Path, kills: usize, pause: Duration) -> usize {
    let size = || std::fs::metadata(folder.join("job/reports.jsonl")).map_or(0, |metadata| metadata.len());
    for kill in 0.. {
        let before = size();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([test, "--exact", "--nocapture", "--include-ignored"]).env(FOLDER, folder).stdout(Stdio::null());
        let mut process = command.spawn().unwrap();
        let begun = Instant::now();
        while kill < kills && size() == before && process.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < Duration::from_secs(300), "nothing is written");
            std::thread::sleep(Duration::from_millis(2));
        }
        if kill < kills {
            // Any moment of writing a line, of a step, of a report.
            std::thread::sleep(pause.mul_f64(((kill * 7919) % 97) as f64 / 97.0));
            let _ = process.kill();
        }
        let status = process.wait().unwrap();
        if status.success() {
            return kill;
        }
        assert!(kill < kills, "{status}");
    }
    unreachable!("the loop has no end");
}
