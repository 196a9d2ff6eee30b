//! Turns the shared library into `footfall.duckdb_extension` by appending the
//! footer that DuckDB reads before it loads a file.
//!
//! `package-extension LIBRARY OUTPUT`
//!
//! The footer: a wasm custom-section header of 22 bytes, eight fields of 32
//! zero-padded bytes in reverse order (from the first: magic, platform, C API
//! version, extension version, ABI, three empty), and 256 bytes for a signature.

use std::process::ExitCode;

const SECTION_HEADER: &[u8] = b"\x00\x93\x04\x10duckdb_signature\x80\x04";
const MAGIC: &str = "4";
/// The C API version the extension asks for; DuckDB 1.2 and later provide it.
const C_API_VERSION: &str = "v1.2.0";
const ABI: &str = "C_STRUCT";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, output] = arguments.as_slice() else {
        eprintln!("usage: package-extension LIBRARY OUTPUT");
        return ExitCode::from(2);
    };
    match package(library, output) {
        Ok(size) => {
            println!("{output}: {:.1} MB for {}", size as f64 / 1e6, platform());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("package-extension: {error}");
            ExitCode::FAILURE
        }
    }
}

fn package(library: &str, output: &str) -> Result<usize, String> {
    let mut bytes = std::fs::read(library).map_err(|error| format!("cannot read {library}: {error}"))?;
    bytes.extend_from_slice(SECTION_HEADER);
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    for field in ["", "", "", ABI, version, C_API_VERSION, &platform(), MAGIC] {
        let mut padded = [0u8; 32];
        padded[..field.len()].copy_from_slice(field.as_bytes());
        bytes.extend_from_slice(&padded);
    }
    bytes.extend_from_slice(&[0; 256]);
    // A running DuckDB may have the old file mapped: replace it, do not write into it.
    let staged = format!("{output}.new");
    std::fs::write(&staged, &bytes).map_err(|error| format!("cannot write {staged}: {error}"))?;
    std::fs::rename(&staged, output).map_err(|error| format!("cannot write {output}: {error}"))?;
    Ok(bytes.len())
}

/// DuckDB's name of the platform this program was built for.
fn platform() -> String {
    let system = match std::env::consts::OS {
        "macos" => "osx",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let libc = if cfg!(target_env = "musl") { "_musl" } else { "" };
    format!("{system}_{machine}{libc}")
}
