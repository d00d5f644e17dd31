//! The peer: llama.cpp's server with a slot for each report that is asked for at the same time.

use crate::Outcome;
use crate::llama::{Llama, THREADS};
use crate::work::{self, AT_ONCE, MAX_TOKENS, ROLE_PROMPT, Written};
use crate::{http, process};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Tokens of a slot: role prompt, case and report.
const SLOT: usize = 1536;
/// To load the model.
const PATIENCE: Duration = Duration::from_secs(300);

/// A server that ends with this.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Has reports written; the highest resident memory besides.
pub fn measure(llama: &Llama, file: &Path, reports: usize) -> Outcome<(Written, Option<f64>)> {
    let server = Server::start(llama, file)?;
    server.report("You review.", 0)?;
    let written = work::write_all(reports, |index| server.report(ROLE_PROMPT, index))?;
    Ok((written, process::highest_gib(server.child.id())))
}

impl Server {
    fn start(llama: &Llama, file: &Path) -> Outcome<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = llama.program("llama-server");
        command.arg("-m").arg(file).args(["--host", "127.0.0.1", "--no-webui", "--port", &port.to_string()]);
        for (name, value) in [("-t", THREADS), ("-np", AT_ONCE), ("-c", AT_ONCE * SLOT)] {
            command.args([name, &value.to_string()]);
        }
        let child = command.stdout(Stdio::null()).spawn();
        let mut server = Server { child: child.map_err(|err| format!("cannot start {command:?}: {err}"))?, port };
        let began = Instant::now();
        loop {
            if let Ok((200, _)) = http::ask(port, "GET", "/health", "") {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("llama-server ended with {status} before it answered").into());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("llama-server does not answer after {} s", PATIENCE.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The document of a case, and its tokens. The prompt is what ours makes of role prompt and case for a model without a
    /// chat template.
    fn report(&self, role_prompt: &str, index: usize) -> Outcome<(String, usize)> {
        let body = json!({
            "prompt": format!("{role_prompt}\n\n{}\n", work::input(index)),
            "json_schema": work::schema(), "temperature": 0, "n_predict": MAX_TOKENS, "cache_prompt": true,
        });
        let (status, answer) = http::ask(self.port, "POST", "/completion", &body.to_string())?;
        let answer: Value = serde_json::from_str(&answer)?;
        let tokens = answer["tokens_predicted"].as_u64();
        match (status, answer["content"].as_str(), tokens) {
            (200, Some(text), Some(tokens)) => Ok((text.to_owned(), tokens as usize)),
            _ => Err(format!("llama-server answered {status}: {answer}").into()),
        }
    }
}
