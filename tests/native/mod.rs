//! Compiles C and C++ test programs against the header and the shared library of this very build, and runs them.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Language {
    C,
    Cpp,
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn header() -> String {
    std::fs::read_to_string(root().join("include").join("tailora.h")).unwrap().replace("\r\n", "\n")
}

/// The shared library that cargo built for this test: it lies beside the test's program.
pub fn library() -> PathBuf {
    let name = format!("{}tailora{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let program = std::env::current_exe().unwrap();
    let path = program.parent().unwrap().join(name);
    assert!(path.is_file(), "{} is not there; build the tests with cargo", path.display());
    path
}

/// Puts the library into a folder, under the name that linkers look for and the one that the loader does: that which it says
/// it has.
pub fn put_library(folder: &Path) {
    let major = tailora::capi::TAILORA_ABI_MAJOR;
    let names = match std::env::consts::OS {
        "macos" => ["libtailora.dylib".to_owned(), format!("libtailora.{major}.dylib")],
        _ => ["libtailora.so".to_owned(), format!("libtailora.so.{major}")],
    };
    for name in names {
        let link = folder.join(name);
        let _ = std::fs::remove_file(&link);
        std::fs::hard_link(library(), &link).or_else(|_| std::fs::copy(library(), &link).map(drop)).unwrap();
    }
}

/// A folder for what a test makes.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

pub fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// `$CC` or `$CXX`, else the usual names; says so loudly when there is none.
pub fn compiler(language: Language) -> Option<String> {
    if cfg!(windows) {
        println!("SKIPPED: the C and C++ tests need a GNU-like compiler driver; on Windows `cargo xtask demo` runs C");
        return None;
    }
    let (variable, names) = match language {
        Language::C => ("CC", ["cc", "gcc", "clang"]),
        Language::Cpp => ("CXX", ["c++", "g++", "clang++"]),
    };
    let given = std::env::var(variable).ok().filter(|name| !name.is_empty());
    let found = given.or_else(|| names.iter().find(|name| is_there(name)).map(|name| (*name).to_owned()));
    if found.is_none() {
        println!("SKIPPED: no compiler: looked for ${variable}, {}", names.join(", "));
    }
    found
}

/// Runs a command that must succeed, and shows what it printed if it does not.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|err| panic!("cannot start {command:?}: {err}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// A compiled test program.
pub struct Program {
    path: PathBuf,
    home: PathBuf,
}

impl Program {
    /// Compiles `tests/c/NAME.c` or `tests/cpp/NAME.cpp`; `None` without a compiler.
    pub fn compile(language: Language, name: &str, flags: &[&str]) -> Option<Program> {
        let compiler = compiler(language)?;
        let (source, dialect) = match language {
            Language::C => (root().join("tests/c").join(name).with_extension("c"), "-std=c11"),
            Language::Cpp => (root().join("tests/cpp").join(name).with_extension("cpp"), "-std=c++17"),
        };
        Some(Self::compile_file(&compiler, &source, dialect, flags))
    }

    /// Compiles any source file against the library.
    pub fn compile_file(compiler: &str, source: &Path, dialect: &str, flags: &[&str]) -> Program {
        let name = source.file_name().and_then(OsStr::to_str).unwrap_or_default().replace('.', "-");
        let flavour = flags.iter().any(|flag| flag.contains("sanitize"));
        let home = folder(&format!("{name}{}", if flavour { "-sanitized" } else { "" }));
        put_library(&home);
        let path = home.join(&name);
        let mut command = Command::new(compiler);
        command.args([dialect, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", "-O1"]).args(flags);
        command.arg("-I").arg(root().join("include")).arg("-I").arg(root().join("tests/c"));
        command.arg(source).arg("-o").arg(&path).arg("-L").arg(&home);
        run(command.args(["-ltailora", "-lpthread", "-lm"]).arg(format!("-Wl,-rpath,{}", home.display())));
        Program { path, home }
    }

    /// Runs it; it must end with 0. What it printed.
    pub fn output(&self, arguments: &[&str]) -> String {
        self.clear_outputs(arguments);
        run(Command::new(&self.path).args(arguments).current_dir(&self.home))
    }

    /// What an earlier run wrote must not stand in the way of this one.
    fn clear_outputs(&self, arguments: &[&str]) {
        for argument in arguments.iter().filter(|argument| Path::new(argument).starts_with(env!("CARGO_TARGET_TMPDIR")))
        {
            let _ = std::fs::remove_dir_all(argument);
        }
    }

    /// Runs it under valgrind, where an invalid access or a lost block is a failure; loudly nothing where there is none.
    pub fn valgrind(&self, arguments: &[&str]) {
        if !is_there("valgrind") {
            println!("SKIPPED: valgrind is not installed (Debian: apt-get install valgrind)");
            return;
        }
        self.clear_outputs(arguments);
        let mut command = Command::new("valgrind");
        command.args([
            "--quiet",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
            // LLVM tests the fields of an enum before its tag where that cannot be told apart; valgrind takes offence.
            "--undef-value-errors=no",
        ]);
        run(command.arg(&self.path).args(arguments).current_dir(&self.home));
    }
}

/// Compiles and runs a C test program plain, with the sanitizers, and under valgrind (with the argument `quick` where it
/// takes arguments: valgrind is a hundred times slower).
pub fn everywhere(name: &str, flags: &[&str], arguments: &[&str]) {
    let Some(plain) = Program::compile(Language::C, name, flags) else { return };
    print!("{}", plain.output(arguments));
    let sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let flags: Vec<&str> = flags.iter().chain(&sanitizers).copied().collect();
    if let Some(sanitized) = Program::compile(Language::C, name, &flags) {
        sanitized.output(arguments);
    }
    let mut quick = arguments.to_vec();
    if !quick.is_empty() {
        quick.push("quick");
    }
    plain.valgrind(&quick);
}
