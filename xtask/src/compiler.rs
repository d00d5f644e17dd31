//! The C compiler of this machine: `$CC`, else cc, gcc or clang; with Rust's MSVC toolchain, cl.

use crate::shell::{Outcome, command, find, root, run};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `source` against the header and the library in `library_dir` into the program `output`, which looks for the
/// library beside itself (`library::install` puts it there).
pub fn compile_c(source: &Path, library_dir: &Path, output: &Path) -> Outcome {
    let include = root().join("include");
    if cfg!(target_env = "msvc") {
        let mut compiler = msvc()?;
        let folder = output.parent().unwrap_or(root());
        let mut objects = folder.as_os_str().to_owned();
        objects.push("\\");
        compiler.args(["/nologo", "/utf-8", "/std:c11", "/W4", "/O2", "/I"]).arg(include).arg(source);
        compiler.arg(prefixed("/Fo", Path::new(&objects))).arg(prefixed("/Fe", output));
        compiler.arg("/link").arg(library_dir.join("tailora.dll.lib"));
        return run(&mut compiler);
    }
    let mut compiler = gnu()?;
    compiler.args(["-std=c11", "-Wall", "-Wextra", "-O2", "-I"]).arg(include).arg(source).arg("-o").arg(output);
    compiler.arg(library_dir.join(crate::library::file_name()));
    match env::consts::OS {
        "windows" => {}
        "macos" => drop(compiler.arg("-Wl,-rpath,@loader_path")),
        _ => drop(compiler.arg("-Wl,-rpath,$ORIGIN")),
    }
    run(&mut compiler)
}

fn prefixed(prefix: &str, path: &Path) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(prefix);
    word.push(path);
    word
}

fn gnu() -> Outcome<Command> {
    let named = env::var_os("CC").filter(|cc| !cc.is_empty()).map(PathBuf::from);
    let found = named.or_else(|| ["cc", "gcc", "clang"].into_iter().find_map(find));
    found.map(command).ok_or_else(|| {
        "no C compiler: looked for $CC, cc, gcc and clang on the PATH; install one (Debian: apt-get install gcc)"
            .to_owned()
    })
}

#[cfg(windows)]
fn msvc() -> Outcome<Command> {
    let tool = find_msvc_tools::find_tool(env::consts::ARCH, "cl.exe")
        .ok_or("no cl.exe: install the Visual Studio Build Tools with the C++ workload")?;
    let mut compiler = tool.to_command();
    compiler.current_dir(root());
    Ok(compiler)
}

#[cfg(not(windows))]
fn msvc() -> Outcome<Command> {
    Err("cl.exe runs on Windows only".to_owned())
}
