//! Only tests: `cargo test --release --manifest-path tests/peers/linfa/Cargo.toml`.
