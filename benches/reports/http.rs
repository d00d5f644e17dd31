//! As much of HTTP/1.1 as one program needs to ask another on the same machine.

use crate::Outcome;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// Asks on a connection of its own; the status and the body.
pub fn ask(port: u16, method: &str, path: &str, body: &str) -> Outcome<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("an answer without a status")?;
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return Err("the answer comes in chunks; expected its length".into());
    }
    Ok((status, body.to_owned()))
}
