//! Runs a kernel with the widest vector instructions that the machine has.
//!
//! The compiler turns the loops over lanes into vector instructions; which ones
//! it may use is decided per function at compile time. `pulp` holds one copy of
//! a kernel for each instruction set and picks one when it is called. A sum is
//! done in the same order by all of them, and none of them fuses a product with
//! a sum, so the result is the same on every machine.

use pulp::{Arch, Simd, WithSimd};

/// Work with loops over lanes. `run` and all that it calls in such loops must be
/// `#[inline(always)]`: what is not inlined is compiled for the oldest machine.
/// (A closure does not do here: the call of a closure is not inlined.)
pub trait Kernel {
    /// What the work gives.
    type Output;
    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` on this machine.
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    Arch::new().dispatch(Wide(kernel))
}

struct Wide<K>(K);

impl<K: Kernel> WithSimd for Wide<K> {
    type Output = K::Output;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        self.0.run()
    }
}
