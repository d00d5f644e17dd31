//! `loader.c` with a library of our own in the place of CUDA's.

use crate::shell::{command, output, run};
use std::path::Path;

const LIBRARY: &str = "\
double fakeMany(int a, double b, long c, float d, long e, long f, long g, long h, long on_stack, double i) {
    return a + b + c + d + e + f + g + h + on_stack + i;
}
";

/// Calls each function twice: through its lookup, and straight.
const PROGRAM: &str = "\
#include <stdio.h>
double fakeMany(int, double, long, float, long, long, long, long, long, double);
int fakeUnknown(int);
int main(void) {
    for (int i = 0; i < 2; i++)
        printf(\"%g %d\\n\", fakeMany(1, 2.5, 4, 0.25f, 8, 16, 32, 64, 128, 256.0), fakeUnknown(7));
    return 0;
}
";

fn program(folder: &Path) -> std::path::PathBuf {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("loader.c", include_str!("loader.c"));
    write("fake.h", "SYMBOL(0, fakeMany)\nSYMBOL(1, fakeUnknown)\n");
    write("fake.c", LIBRARY);
    write("program.c", PROGRAM);
    let compiler = || {
        let mut compiler = command("cc");
        compiler.current_dir(folder).args(["-O2", "-fPIC"]);
        compiler
    };
    run(compiler().args(["-shared", "fake.c", "-o", "libfake.so.1"])).unwrap();
    let mut loader = compiler();
    loader.args(["-fno-toplevel-reorder", "-c", "loader.c", "-DSYMBOLS=\"fake.h\"", "-DFILES=\"libfake.so.1\""]);
    run(loader.args(["-DBEFORE=\"\"", "-DMISSING=42"])).unwrap();
    run(compiler().args(["program.c", "loader.o", "-o", "program", "-ldl"])).unwrap();
    folder.join("program")
}

#[test]
fn arguments_arrive_and_what_is_missing_gives_its_status() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        eprintln!("SKIPPED: loader.c is written for x86-64 Linux");
        return;
    }
    let folder = crate::shell::target().join("tmp").join(format!("loader-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let program = program(&folder);
    let found = output(command(&program).env("TAILORA_CUDA_LIB_DIR", &folder)).unwrap();
    assert_eq!(found, "511.75 42\n511.75 42");
    let unset = output(command(&program).env_remove("TAILORA_CUDA_LIB_DIR")).unwrap();
    assert!(unset.lines().all(|line| line.ends_with(" 42")) && !unset.contains("511.75"), "{unset}");
    std::fs::remove_dir_all(&folder).unwrap();
}
