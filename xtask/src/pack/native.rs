//! Where a native package takes its library from.

use super::Wishes;
use crate::shell::{Outcome, target};
use crate::{library, windows};
use std::env::consts::{ARCH, OS};
use std::path::PathBuf;

pub type Source = fn(&Wishes) -> Outcome<Library>;

pub enum Library {
    At(PathBuf),
    /// It is not built on this system, or has not been; a sentence that says what to do.
    NotHere(String),
}

pub fn linux(wishes: &Wishes) -> Outcome<Library> {
    match (OS, ARCH) {
        ("linux", "x86_64") => here(wishes),
        _ => Ok(Library::NotHere("its library is built on Linux".to_owned())),
    }
}

pub fn windows(wishes: &Wishes) -> Outcome<Library> {
    if (OS, ARCH) == ("windows", "x86_64") {
        return here(wishes);
    }
    if wishes.windows {
        return windows::library().map(Library::At);
    }
    let built = target().join("windows").join("tailora.dll");
    if built.is_file() {
        eprintln!("{} is packed as it was built; `cargo xtask pack windows` builds it again", built.display());
        return Ok(Library::At(built));
    }
    Ok(Library::NotHere("tailora.dll has not been built; `cargo xtask pack windows` builds it".to_owned()))
}

fn here(wishes: &Wishes) -> Outcome<Library> {
    let path = match &wishes.library {
        Some(named) => named.clone(),
        None => library::build()?.join(library::file_name()),
    };
    if path.is_file() { Ok(Library::At(path)) } else { Err(format!("{} is no file", path.display())) }
}
