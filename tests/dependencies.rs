//! What a host gets linked into its process: only freely usable licences, and nothing that could open a connection.
//!
//! Reads `cargo metadata` for every platform, so a crate that only the Windows build pulls in is judged too.
//! `deny.toml` says the same to cargo-deny, which also knows advisories.

#[allow(dead_code, reason = "where the files are is for the notices")]
mod linked;

use std::collections::BTreeMap;

/// Licences that ask for no more than a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Clients, servers and TLS: the library has no network code.
const NETWORK: &[&str] = &[
    "async-std",
    "attohttpc",
    "curl",
    "curl-sys",
    "h2",
    "hf-hub",
    "hyper",
    "hyper-util",
    "isahc",
    "mio",
    "native-tls",
    "openssl",
    "openssl-sys",
    "quinn",
    "reqwest",
    "rustls",
    "smol",
    "socket2",
    "surf",
    "tokio",
    "tonic",
    "tungstenite",
    "ureq",
];

/// The packages that end up in the library: name → licence expression.
fn linked() -> BTreeMap<String, String> {
    linked::packages(&[]).into_iter().map(|package| (package.name, package.licence)).collect()
}

/// Whether an SPDX expression can be met with `ALLOWED` licences alone. `/` is the old way to write `OR`.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let met = any(&mut words);
    met && words.next().is_none()
}

fn any<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    let mut met = all(words);
    while words.next_if_eq(&"OR").is_some() {
        met |= all(words);
    }
    met
}

fn all<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    let mut met = one(words);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words);
    }
    met
}

fn one<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> bool {
    match words.next() {
        Some("(") => {
            let met = any(words);
            words.next_if_eq(&")").is_some() && met
        }
        Some(name) if words.next_if_eq(&"WITH").is_some() => {
            words.next().is_some_and(|exception| ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
        }
        Some(name) => ALLOWED.contains(&name),
        None => false,
    }
}

#[test]
fn every_linked_crate_has_an_allowed_licence() {
    let linked = linked();
    assert!(linked.contains_key("candle-core") && linked.len() > 50, "{} crates: the walk is broken", linked.len());
    let refused: Vec<_> = linked.iter().filter(|(_, licence)| !is_allowed(licence)).collect();
    assert!(refused.is_empty(), "licences that nobody has looked at: {refused:#?}");
}

#[test]
fn nothing_linked_can_open_a_connection() {
    let linked = linked();
    let found: Vec<_> = NETWORK.iter().filter(|name| linked.contains_key(**name)).collect();
    assert!(found.is_empty(), "network code among the dependencies: {found:?}");
}

#[test]
fn licence_expressions_are_understood() {
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_allowed(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT",
        "MIT MIT",
        "MIT WITH LLVM-exception",
        "(GPL-3.0 OR AGPL-3.0) AND MIT",
    ] {
        assert!(!is_allowed(bad), "{bad}");
    }
}
