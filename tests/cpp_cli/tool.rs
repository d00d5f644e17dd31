//! The program: built once for all tests, with CMake where it is there, and run as a person would.

use crate::native::{self, Language, folder, is_there, root};
use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Errors are warnings, too; optimised it would only take longer to build.
const FLAGS: [&str; 6] = ["-std=c++17", "-O0", "-Wall", "-Wextra", "-Wpedantic", "-Werror"];

pub fn sources() -> PathBuf {
    root().join("samples/cli")
}

/// How a run ended.
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The one line of JSON that was printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|err| panic!("{err}: {}\n{}", self.out, self.err))
    }
}

/// The program; `None` where something to build it is missing, which is said.
pub fn path() -> Option<&'static Path> {
    static PATH: OnceLock<Option<PathBuf>> = OnceLock::new();
    PATH.get_or_init(build).as_deref()
}

fn build() -> Option<PathBuf> {
    let compiler = native::compiler(Language::Cpp)?;
    let home = folder("cli");
    if !has_headers(&compiler, &home) {
        println!("SKIPPED: no CLI11 or no nlohmann/json (Debian: apt-get install libcli11-dev nlohmann-json3-dev)");
        return None;
    }
    native::put_library(&home);
    if is_there("cmake") {
        return Some(build_with_cmake(&compiler, &home));
    }
    println!("SKIPPED: no cmake: samples/cli/CMakeLists.txt was not tried; the compiler builds the program by itself");
    Some(build_without(&compiler, &home))
}

fn has_headers(compiler: &str, home: &Path) -> bool {
    let file = home.join("headers.cpp");
    std::fs::write(&file, "#include <CLI/CLI.hpp>\n#include <nlohmann/json.hpp>\n").unwrap();
    Command::new(compiler)
        .args(["-std=c++17", "-E", "-o"])
        .arg(home.join("headers.i"))
        .arg(file)
        .output()
        .unwrap()
        .status
        .success()
}

fn build_with_cmake(compiler: &str, home: &Path) -> PathBuf {
    let made = home.join("cmake");
    // What an earlier run was told would stand over what this one is.
    let _ = std::fs::remove_file(made.join("CMakeCache.txt"));
    let define = |name: &str, value: &OsStr| {
        let mut word = std::ffi::OsString::from(format!("-D{name}="));
        word.push(value);
        word
    };
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(sources()).arg("-B").arg(&made);
    configure
        .arg(define("TAILORA_LIBRARY_DIR", home.as_os_str()))
        .arg(define("CMAKE_CXX_COMPILER", OsStr::new(compiler)));
    native::run(configure.arg(define("CMAKE_CXX_FLAGS", OsStr::new(&FLAGS[1..].join(" ")))));
    native::run(Command::new("cmake").arg("--build").arg(&made).args(["--parallel", &cores().to_string()]));
    made.join("tailora")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn build_without(compiler: &str, home: &Path) -> PathBuf {
    let objects = home.join("objects");
    let _ = std::fs::remove_dir_all(&objects);
    std::fs::create_dir_all(&objects).unwrap();
    let files = |folder: &Path, extension: &str| -> Vec<PathBuf> {
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
    };
    let sources = files(&sources(), "cpp");
    std::thread::scope(|scope| {
        for part in sources.chunks(sources.len().div_ceil(cores())) {
            let mut command = Command::new(compiler);
            command.args(FLAGS).arg("-c").arg("-I").arg(root().join("include")).args(part).current_dir(&objects);
            scope.spawn(move || native::run(&mut command));
        }
    });
    let program = home.join("tailora");
    let mut link = Command::new(compiler);
    link.args(files(&objects, "o")).arg("-o").arg(&program).arg("-L").arg(home).args(["-ltailora", "-lpthread"]);
    native::run(link.arg(format!("-Wl,-rpath,{}", home.display())));
    program
}

/// An empty folder to work in, with the samples where the pages have them.
pub fn workplace(name: &str) -> PathBuf {
    let home = folder("cli").join("work").join(name);
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home).unwrap();
    std::os::unix::fs::symlink(root().join("samples"), home.join("samples")).unwrap();
    home
}

/// `tailora` with these words, in a folder.
pub fn run(home: &Path, words: &[&str]) -> Run {
    let output = Command::new(path().unwrap()).args(words).current_dir(home).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Run { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// The same, which must end with 0.
pub fn done(home: &Path, words: &[&str]) -> Run {
    let run = run(home, words);
    assert_eq!(run.status, 0, "{words:?}: {}{}", run.out, run.err);
    run
}
