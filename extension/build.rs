//! Compiles the guard against C++ exceptions (`src/gate.rs` links it). MSVC catches none unless told to, and with `/EHsc` it
//! takes a function of C, such as the one that the guard calls, for one that throws none.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/guard.cpp");
    println!(
        "cargo:rustc-link-search=native={}",
        std::env::var("OUT_DIR").expect("set by cargo")
    );
    let is_msvc = std::env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("msvc");
    cc::Build::new()
        .cpp(true)
        .flag(if is_msvc { "/EHs" } else { "-fexceptions" })
        .file("src/guard.cpp")
        .cargo_metadata(false)
        .compile("footfall_guard");
}
