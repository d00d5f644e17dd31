//! Tests that might take their process down run in a child: the test's own program, told to run just that test.
#![allow(dead_code)]

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const VARIABLE: &str = "TAILORA_TEST_CHILD";

/// How a child ended, and what it printed.
pub struct Ended {
    pub success: bool,
    pub status: String,
    pub output: String,
}

/// Runs `body` in a child process, which must end well and within `limit`. `name` is that of the calling test, with its
/// modules. `prepare` changes the command before it is started (limits, variables).
pub fn survives(name: &str, limit: Duration, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) {
    let Some(ended) = run(name, limit, prepare, body) else { return };
    assert!(ended.success, "the child of {name} ended with {}\n{}", ended.status, ended.output);
}

/// As [`survives`], for a child that may end as it likes. `None` in the child itself, after `body`.
pub fn run(name: &str, limit: Duration, prepare: impl FnOnce(&mut Command), body: impl FnOnce()) -> Option<Ended> {
    if std::env::var(VARIABLE).is_ok_and(|running| running == name) {
        body();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1", "--include-ignored"]).env(VARIABLE, name);
    prepare(&mut command);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = err.read_to_end(&mut text);
        text
    });
    let read_out = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = out.read_to_end(&mut text);
        text
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if begun.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut output = String::from_utf8_lossy(&read_out.join().unwrap()).into_owned();
    output.push_str(&String::from_utf8_lossy(&read.join().unwrap()));
    // A name that matches no test would pass without having run anything.
    assert!(status.is_none_or(|s| !s.success()) || output.contains("1 passed"), "no test is named {name}:\n{output}");
    Some(Ended {
        success: status.is_some_and(|status| status.success()),
        status: status.map_or(format!("no end within {limit:?}"), |status| status.to_string()),
        output,
    })
}
