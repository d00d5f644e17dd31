//! `include/tailora.hpp`: compiles as C++17 and C++20 without a warning, and does the jobs on a real model.

mod native;

use native::{Language, Program, root};
use std::process::Command;

#[test]
fn the_header_compiles_as_cpp17_and_cpp20_included_twice() {
    let Some(compiler) = native::compiler(Language::Cpp) else { return };
    let file = native::folder("hpp-twice").join("twice.cpp");
    let source = "#include \"tailora.hpp\"\n#include \"tailora.hpp\"\nint main() { return 0; }\n";
    std::fs::write(&file, source).unwrap();
    for dialect in ["-std=c++17", "-std=c++20"] {
        let mut command = Command::new(&compiler);
        command.args([dialect, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"]);
        native::run(command.arg(root().join("include")).arg(&file));
    }
}

#[test]
fn the_jobs_on_a_real_model() {
    let (model, csv) = (root().join("tests/fixtures/models/qwen2"), root().join("samples/data/talent_review.csv"));
    let out = native::folder("cpp-out").join("adapter");
    let arguments = [model.to_str().unwrap(), csv.to_str().unwrap(), out.to_str().unwrap()];
    for flags in [&[][..], &["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]] {
        let Some(program) = Program::compile(Language::Cpp, "raii", flags) else { return };
        let _ = std::fs::remove_dir_all(out.with_file_name("adapter-business"));
        print!("{}", program.output(&arguments));
    }
}

#[test]
fn the_samples_compile_without_a_warning() {
    for (language, source, dialect) in [
        (Language::C, "samples/c/talent_review.c", "-std=c11"),
        (Language::Cpp, "samples/cpp/talent_review.cpp", "-std=c++17"),
    ] {
        let Some(compiler) = native::compiler(language) else { continue };
        Program::compile_file(&compiler, &root().join(source), dialect, &["-Wpedantic"]);
    }
}
