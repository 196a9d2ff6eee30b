//! Compiles the driver as a shared library. Its fibers are of Linux; elsewhere there is none, and tests say so.

use std::path::Path;

fn main() {
    let library = Path::new(&std::env::var("OUT_DIR").expect("set by cargo")).join("libcuda.so.1");
    println!("cargo:rerun-if-changed=driver.cpp");
    println!("cargo:rerun-if-changed=cuda.h");
    println!("cargo:rerun-if-changed=../../src/network/gpu/kernels.cu");
    println!("cargo:rustc-env=EMULATED_CUDA={}", library.display());
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let compiler = cc::Build::new()
        .cpp(true)
        .opt_level(2)
        .pic(true)
        .debug(false)
        .get_compiler();
    // Jumps between fibers are not what a fortified longjmp expects.
    let flags = ["-std=c++17", "-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", "-shared"];
    let status = compiler
        .to_command()
        .args(flags)
        .arg("driver.cpp")
        .arg("-o")
        .arg(&library)
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the emulated driver does not compile"
    );
}
