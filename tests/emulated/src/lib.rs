//! The emulated driver of this folder.

/// Its file; there is none but on Linux.
pub const DRIVER: &str = env!("EMULATED_CUDA");

/// Makes it the driver of this process, before the first device is asked for.
pub fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the tests of a process read their environment through Rust's own functions, which take turns.
    ONCE.call_once(|| unsafe { std::env::set_var("FOOTFALL_CUDA_DRIVER", DRIVER) });
}
