//! The C API as C sees it: the header in every dialect, its layouts and names, and C programs against the real shared
//! library, plain, under AddressSanitizer and UndefinedBehaviorSanitizer, and under valgrind.

mod native;

use native::{Language, Program, header, library, root};
use std::collections::BTreeSet;
use std::process::Command;

fn lines(path: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Names of functions that the header declares.
fn declared() -> BTreeSet<String> {
    let header = header();
    let names = header.lines().filter(|line| !line.starts_with([' ', '#', '/', '*'])).filter_map(|line| {
        let (before, _) = line.split_once('(')?;
        let name = before.rsplit([' ', '*']).next()?;
        name.starts_with("tailora_").then(|| name.to_owned())
    });
    names.collect()
}

#[test]
fn the_header_declares_what_the_golden_list_has() {
    assert_eq!(declared(), lines("tests/abi/exports.txt"));
}

#[test]
fn the_library_exports_the_golden_list_and_nothing_else() {
    if !cfg!(target_os = "linux") || !native::is_there("nm") {
        println!("SKIPPED: the export list: needs Linux and `nm` (binutils)");
        return;
    }
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut exported: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect();
    if cfg!(feature = "panic-injection") {
        assert!(exported.remove("tailora_test_panic_next"));
    }
    assert_eq!(exported, lines("tests/abi/exports.txt"));
}

#[test]
fn the_library_carries_its_abi_in_its_name_and_stays_loaded() {
    if !cfg!(target_os = "linux") || !native::is_there("readelf") {
        println!("SKIPPED: SONAME and nodelete: need Linux and `readelf` (binutils)");
        return;
    }
    let output = Command::new("readelf").arg("-d").arg(library()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let soname = format!("[libtailora.so.{}]", tailora::capi::TAILORA_ABI_MAJOR);
    assert!(text.lines().any(|line| line.contains("SONAME") && line.contains(&soname)), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}

#[test]
fn every_declaration_has_a_comment() {
    let header = header();
    let lines: Vec<&str> = header.lines().collect();
    let mut documented = 0;
    for (at, line) in lines.iter().enumerate() {
        let constant = line.starts_with("#define TAILORA_") && line.split_whitespace().count() > 2;
        let declaration = constant
            || line.starts_with("typedef ")
            || (!line.starts_with([' ', '#', '/', '*', '}']) && line.contains("tailora_") && line.contains('('));
        let field = line.starts_with("    ")
            && !line.starts_with("     ")
            && line.trim_end().ends_with(';')
            && !line.contains(')')
            && !line.contains('*') | line.contains(" *");
        if declaration || field {
            assert!(at > 0 && lines[at - 1].trim() == "*/", "line {} has no comment: {line}", at + 1);
            documented += 1;
        }
    }
    assert!(documented > 90, "only {documented} declarations found: this test does not see the header any more");
}

#[test]
fn every_function_says_whose_memory_and_which_threads() {
    let header = header();
    for name in declared() {
        let at = header.find(&format!("{name}(")).unwrap();
        let comment = &header[header[..at].rfind("/**").unwrap()..at];
        assert!(comment.contains("Threads:"), "{name} does not say which threads may call it");
        let declaration = &header[at..at + header[at..].find(';').unwrap()];
        if declaration.contains("tailora_error **err") || name.ends_with("_free") {
            assert!(comment.contains("Errors:"), "{name} does not list its errors");
        }
        let gives = declaration.contains("char **") || declaration.replace("tailora_error **err", "").contains(" **");
        if gives && !declaration.contains("const tailora_adapter *const *adapters,") {
            assert!(comment.contains("Ownership:"), "{name} does not say who frees what it gives out");
        }
    }
}

#[test]
fn the_header_compiles_in_every_dialect_alone_and_twice() {
    let source = "#include \"tailora.h\"\n#include \"tailora.h\"\nint main(void) { return TAILORA_OK; }\n";
    for (language, dialect) in [
        (Language::C, "c99"),
        (Language::C, "c11"),
        (Language::C, "c2x"),
        (Language::Cpp, "c++11"),
        (Language::Cpp, "c++20"),
    ] {
        let Some(compiler) = native::compiler(language) else { continue };
        let folder = native::folder(&format!("dialect-{dialect}"));
        let file = folder.join(if language == Language::C { "twice.c" } else { "twice.cpp" });
        std::fs::write(&file, source).unwrap();
        let mut command = Command::new(compiler);
        command.arg(format!("-std={dialect}")).args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]);
        native::run(command.arg("-I").arg(root().join("include")).arg(file));
    }
}

#[test]
fn c_and_rust_agree_on_the_layout() {
    let expected = std::fs::read_to_string(root().join("tests/abi/layout.txt")).unwrap();
    if let Some(program) = Program::compile(Language::C, "layout", &[]) {
        assert_eq!(program.output(&[]), expected.replace("\r\n", "\n"));
    }
    macro_rules! layout {
        ($($name:ident { $($field:ident),* })*) => {{
            let mut table = String::new();
            $(
                table += &format!("{} size {}\n", stringify!($name), size_of::<tailora::capi::$name>());
                $(
                    let size = size_of_field(|s: &tailora::capi::$name| s.$field);
                    let offset = std::mem::offset_of!(tailora::capi::$name, $field);
                    table += &format!("{}.{} {offset} {size}\n", stringify!($name), stringify!($field));
                )*
            )*
            table
        }};
    }
    fn size_of_field<S, T>(_: impl Fn(&S) -> T) -> usize {
        size_of::<T>()
    }
    let rust = layout! {
        tailora_progress { struct_size, phase, step, total_steps, epoch, loss, validation_loss, learning_rate, gradient_norm,
                           tokens_per_second, elapsed_seconds, eta_seconds }
        tailora_log_event { struct_size, level, target, message }
        tailora_log_sink { struct_size, max_level, log, user }
    };
    assert_eq!(rust, expected.replace("\r\n", "\n"));
}

/// The table that the C tests go through must have every function.
#[test]
fn the_c_tests_know_every_function() {
    let table = std::fs::read_to_string(root().join("tests/c/functions.h")).unwrap();
    for name in declared() {
        let is_status = header().contains(&format!("tailora_status {name}("));
        assert!(!is_status || table.contains(&format!("FUNCTION({name},")), "tests/c/functions.h lacks {name}");
    }
}

#[test]
fn handles_of_every_kind_of_wrong() {
    native::everywhere("handles", &[], &[]);
}

#[test]
fn versions_strings_schemas_texts_and_log_sinks() {
    let define: &[&str] = if cfg!(feature = "panic-injection") { &["-DTEST_PANIC_INJECTION"] } else { &[] };
    native::everywhere("library", define, &[]);
}

#[test]
fn a_forced_panic_in_every_entry_point() {
    if !cfg!(feature = "panic-injection") {
        println!("SKIPPED: forced panics: build with --features panic-injection (cargo xtask test does)");
        return;
    }
    native::everywhere("panics", &[], &[]);
}

#[test]
fn small_stacks_forks_and_callbacks_that_call() {
    let (model, csv) = (root().join("tests/fixtures/models/qwen2"), root().join("samples/data/talent_review.csv"));
    native::everywhere("host", &[], &[model.to_str().unwrap(), csv.to_str().unwrap()]);
}

#[test]
fn the_jobs_on_a_real_model() {
    let out = native::folder("输出");
    let (model, csv) = (root().join("tests/fixtures/models/qwen2"), root().join("samples/data/talent_review.csv"));
    let out = out.join("适配器");
    let arguments = [model.to_str().unwrap(), csv.to_str().unwrap(), out.to_str().unwrap()];
    native::everywhere("jobs", &[], &arguments);
}

#[test]
fn batches_registries_and_word_files() {
    let out = native::folder("业务").join("输出");
    let (model, csv) = (root().join("tests/fixtures/models/qwen2"), root().join("samples/data/talent_review.csv"));
    let arguments = [model.to_str().unwrap(), csv.to_str().unwrap(), out.to_str().unwrap()];
    native::everywhere("business", &[], &arguments);
}
