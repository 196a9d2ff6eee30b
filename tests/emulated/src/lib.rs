//! The emulated driver of this folder.

/// Its file; there is none but on Linux.
pub const DRIVER: &str = env!("EMULATED_CUDA");

/// Makes it the driver of this process, before the first device is asked for, unless the environment names another: that of a
/// card, or the same one compiled for a sanitizer.
pub fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("FOOTFALL_CUDA_DRIVER").is_none() {
            // SAFETY: the tests of a process read their environment through Rust's own functions, which take turns.
            unsafe { std::env::set_var("FOOTFALL_CUDA_DRIVER", DRIVER) }
        }
    });
}
