//! Link arguments of the shared library: its ABI's name, and that it stays loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // `TAILORA_ABI_MAJOR` of the header; `tests/c_abi.rs` holds the two together.
    const ABI_MAJOR: u32 = 1;
    match std::env::var("CARGO_CFG_TARGET_OS").as_deref() {
        // Threads and thread-local destructors of the library may run after a `dlclose`: never unload.
        Ok("linux" | "android" | "freebsd") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libtailora.so.{ABI_MAJOR}");
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
            // A cdylib also exports the `#[no_mangle]` functions of its dependencies (llguidance has a C API of its own).
            // This hides them, as long as they come from archives: link-time optimisation would bring them back.
            println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
        }
        Ok("macos" | "ios") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libtailora.{ABI_MAJOR}.dylib");
        }
        _ => {}
    }
}
