//! Vectors of `f32` of the width a processor has, under one set of operations.
//!
//! A kernel is written once over [`Vector`] and compiled once for each implementation,
//! inside a function that enables the instructions (see `kernels.rs`).

/// Whether the processor has the instructions that [`Avx2`] is compiled with.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// Whether the processor has the instructions that [`Avx512`] is compiled with.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

/// A register of [`Vector::LANES`] floats.
///
/// # Safety
/// Every function may use instructions that the processor must have: AVX-512 F and DQ
/// for [`Avx512`], AVX2 and FMA for [`Avx2`], NEON for [`Neon`], nothing for
/// [`Portable`]. `load` and `store` touch `LANES` floats from their pointer on.
pub(crate) trait Vector: Copy {
    const LANES: usize;
    /// Vector registers of the processor.
    const REGISTERS: usize;

    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(value: f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// self · factor + term.
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self;
    /// term - self · factor.
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self;
    /// 2^self with a relative error of 2e-7 in [-64, 64], and what is beyond as at the
    /// limit or nearer to the truth: so the powers have a reciprocal, and products of a
    /// few of them are no denormal numbers, which are slow. A NaN stays a NaN, so that a
    /// diverged network shows.
    unsafe fn exp2(self) -> Self;
    /// 1 / self, to about 1 unit in the last place, for values of at least 1.
    unsafe fn reciprocal(self) -> Self;
    /// The sum of the lanes.
    unsafe fn sum(self) -> f32;
    /// The lane-wise maximum.
    unsafe fn max(self, other: Self) -> Self;
    /// The largest lane.
    unsafe fn largest(self) -> f32;

    /// Writes a block of LANES × LANES floats transposed; rows lie the strides apart.
    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            for row in 0..Self::LANES {
                for column in 0..Self::LANES {
                    *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
                }
            }
        }
    }
}

/// The coefficients of r^5 … r^0 in the polynomial nearest to 2^r for |r| <= 1/2 by the
/// relative error, which is at most 7.5e-8.
const EXP2_AROUND_ZERO: [f32; 6] = [
    1.327_647_2e-3,
    9.675_541e-3,
    5.550_713_3e-2,
    2.402_212e-1,
    6.931_469_7e-1,
    1.0,
];

/// The polynomial with these coefficients.
#[inline(always)]
unsafe fn polynomial<V: Vector>(coefficients: [f32; 6], x: V) -> V {
    unsafe {
        let [first, rest @ ..] = coefficients;
        let mut sum = V::splat(first);
        for coefficient in rest {
            sum = sum.mul_add(x, V::splat(coefficient));
        }
        sum
    }
}

/// e^x.
#[inline(always)]
pub(crate) unsafe fn exp<V: Vector>(x: V) -> V {
    unsafe { x.mul(V::splat(std::f32::consts::LOG2_E)).exp2() }
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(crate) unsafe fn sigmoid<V: Vector>(x: V) -> V {
    unsafe {
        let e = x.mul(V::splat(-std::f32::consts::LOG2_E)).exp2();
        e.add(V::splat(1.0)).reciprocal()
    }
}

/// tanh x = 1 - 2 / (1 + e^2x); the error is absolute, about 1e-7, near 0 too.
#[inline(always)]
pub(crate) unsafe fn tanh<V: Vector>(x: V) -> V {
    unsafe {
        let e = x.mul(V::splat(2.0 * std::f32::consts::LOG2_E)).exp2();
        e.add(V::splat(1.0))
            .reciprocal()
            .neg_mul_add(V::splat(2.0), V::splat(1.0))
    }
}

/// Four lanes in plain Rust. Products are rounded before they are added: on a processor
/// without FMA `f32::mul_add` is a slow library call.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 4]);

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Portable(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        Portable(self.0.map(f))
    }
}

/// Adding this pushes the fraction of a float of magnitude below 2^22 out, rounding it.
const ROUNDER: f32 = 12_582_912.0;

impl Vector for Portable {
    const LANES: usize = 4;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller owns four floats from here on; an array needs no more
        // alignment than its elements.
        Portable(unsafe { from.cast::<[f32; 4]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; 4]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Portable([value; 4])
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(term, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
        self.zip(factor, |a, b| a * b).zip(term, |a, b| b - a)
    }
    #[inline(always)]
    unsafe fn exp2(self) -> Self {
        let x = self
            .map(|x| if x > 64.0 { 64.0 } else { x })
            .map(|x| if x < -64.0 { -64.0 } else { x });
        let shifted = x.map(|x| x + ROUNDER);
        let r = x.zip(shifted, |x, shifted| x - (shifted - ROUNDER));
        // The low bits of `shifted` are the nearest integer; moved into the exponent and
        // by its bias they are the power of two.
        // SAFETY: plain Rust, whatever the processor.
        unsafe { polynomial(EXP2_AROUND_ZERO, r) }.zip(shifted, |p, shifted| {
            p * f32::from_bits(shifted.to_bits().wrapping_shl(23).wrapping_add(1.0f32.to_bits()))
        })
    }
    #[inline(always)]
    unsafe fn reciprocal(self) -> Self {
        self.map(|x| 1.0 / x)
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn largest(self) -> f32 {
        let [a, b, c, d] = self.0;
        a.max(c).max(b.max(d))
    }
}

#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{EXP2_AROUND_ZERO, Vector, polynomial};
    use std::arch::x86_64::*;

    /// 1 / x from an estimate of 14 bits, which another maker's processor gives in other bits: after one step of
    /// Newton's method a third of the results would still depend on them. One more makes it the quotient
    /// rounded to nearest (Markstein, 1990, IBM Journal of Research and Development 34 (1), 111 to 119)
    /// or, where the significand of x is all ones, the power of two beside it.
    ///
    /// # Safety
    /// The processor has AVX-512 F.
    #[inline(always)]
    unsafe fn refined(x: __m512, estimate: __m512) -> __m512 {
        unsafe {
            let near = _mm512_mul_ps(estimate, _mm512_fnmadd_ps(x, estimate, _mm512_set1_ps(2.0)));
            _mm512_fmadd_ps(near, _mm512_fnmadd_ps(x, near, _mm512_set1_ps(1.0)), near)
        }
    }

    /// Sixteen lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx512(__m512);

    // SAFETY (every block of this implementation): by the trait's contract the processor
    // has AVX-512 F and DQ, and the pointers are good for sixteen floats; the unaligned
    // forms ask for no alignment.
    impl Vector for Avx512 {
        const LANES: usize = 16;
        const REGISTERS: usize = 32;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Avx512(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx512(unsafe { _mm512_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            Avx512(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
            Avx512(unsafe { _mm512_fnmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn exp2(self) -> Self {
            // The fraction above the next lower integer, and a power that takes that
            // integer itself: one instruction each.
            const ABOVE_INTEGER: [f32; 6] = [
                1.877_576_7e-3,
                8.989_34e-3,
                5.582_631_8e-2,
                2.401_536_2e-1,
                6.931_531e-1,
                9.999_999_3e-1,
            ];
            // With a NaN in either operand the minimum is the second one.
            unsafe {
                let x = _mm512_min_ps(_mm512_set1_ps(64.0), self.0);
                let r = _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(x);
                Avx512(_mm512_scalef_ps(polynomial(ABOVE_INTEGER, Avx512(r)).0, x))
            }
        }
        #[inline(always)]
        unsafe fn reciprocal(self) -> Self {
            // 5 operations where the division unit takes 16 cycles.
            Avx512(unsafe { refined(self.0, _mm512_rcp14_ps(self.0)) })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { _mm512_reduce_add_ps(self.0) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Avx512(unsafe { _mm512_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { _mm512_reduce_max_ps(self.0) }
        }
        #[inline(always)]
        unsafe fn transpose(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
            unsafe {
                // Each round swaps blocks of 1, 2, 4 and 8 floats between pairs of rows that
                // lie as far apart: first within quarters of a register, then quarters.
                let mut rows = [_mm512_setzero_ps(); 16];
                for (index, row) in rows.iter_mut().enumerate() {
                    *row = _mm512_loadu_ps(from.add(index * from_stride));
                }
                let mut next = rows;
                for four in (0..16).step_by(4) {
                    let [a, b, c, d] = [rows[four], rows[four + 1], rows[four + 2], rows[four + 3]];
                    let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
                    let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
                    next[four] = _mm512_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low);
                    next[four + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low);
                    next[four + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high);
                    next[four + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high);
                }
                // next[4 q + j] holds, in its quarter p, column 4 p + j of the rows 4 q to
                // 4 q + 3.
                for j in 0..4 {
                    let [a, b, c, d] = [next[j], next[4 + j], next[8 + j], next[12 + j]];
                    let ab_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                    let ab_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
                    let cd_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
                    let cd_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
                    let columns = [
                        _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_even, cd_even),
                        _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_odd, cd_odd),
                        _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_even, cd_even),
                        _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_odd, cd_odd),
                    ];
                    for (p, column) in columns.into_iter().enumerate() {
                        _mm512_storeu_ps(to.add((4 * p + j) * to_stride), column);
                    }
                }
            }
        }
    }

    /// Eight lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Avx2(__m256);

    impl Avx2 {
        /// Reduces the lanes pairwise with `f`.
        #[inline(always)]
        unsafe fn reduce(self, f: unsafe fn(__m128, __m128) -> __m128) -> f32 {
            // SAFETY: shuffles of registers, on a processor with AVX2.
            unsafe {
                let four = f(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
                let two = f(four, _mm_movehl_ps(four, four));
                _mm_cvtss_f32(f(two, _mm_shuffle_ps::<1>(two, two)))
            }
        }
    }

    // SAFETY (every block of this implementation): by the trait's contract the processor
    // has AVX2 and FMA, and the pointers are good for eight floats; the unaligned forms
    // ask for no alignment.
    impl Vector for Avx2 {
        const LANES: usize = 8;
        const REGISTERS: usize = 16;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Avx2(unsafe { _mm256_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { _mm256_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx2(unsafe { _mm256_set1_ps(value) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_add_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_sub_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_mul_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            Avx2(unsafe { _mm256_fmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
            Avx2(unsafe { _mm256_fnmadd_ps(self.0, factor.0, term.0) })
        }
        #[inline(always)]
        unsafe fn exp2(self) -> Self {
            // With a NaN in either operand minimum and maximum are the second one; and the
            // conversion of a NaN does no harm, because the polynomial keeps it.
            unsafe {
                let x = _mm256_min_ps(_mm256_set1_ps(64.0), self.0);
                let x = _mm256_max_ps(_mm256_set1_ps(-64.0), x);
                let n = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x);
                let p = polynomial(EXP2_AROUND_ZERO, Avx2(_mm256_sub_ps(x, n)));
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                Avx2(_mm256_mul_ps(
                    p.0,
                    _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)),
                ))
            }
        }
        #[inline(always)]
        unsafe fn reciprocal(self) -> Self {
            Avx2(unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), self.0) })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { self.reduce(|a, b| _mm_add_ps(a, b)) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Avx2(unsafe { _mm256_max_ps(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { self.reduce(|a, b| _mm_max_ps(a, b)) }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::random::Random;

        /// The reciprocals of sixteen numbers from estimates.
        fn reciprocals(numbers: [f32; 16], estimates: [f32; 16]) -> [f32; 16] {
            #[target_feature(enable = "avx512f")]
            unsafe fn run(numbers: &[f32; 16], estimates: &[f32; 16], results: &mut [f32; 16]) {
                unsafe {
                    let (x, estimate) = (_mm512_loadu_ps(numbers.as_ptr()), _mm512_loadu_ps(estimates.as_ptr()));
                    _mm512_storeu_ps(results.as_mut_ptr(), refined(x, estimate));
                }
            }
            let mut results = [0.0; 16];
            // SAFETY: the caller has seen that the processor has AVX-512.
            unsafe { run(&numbers, &estimates, &mut results) };
            results
        }

        #[test]
        fn a_reciprocal_does_not_depend_on_the_estimate_that_it_begins_with() {
            if !is_x86_feature_detected!("avx512f") {
                println!("SKIPPED: no AVX-512");
                return;
            }
            // The error of an estimate is at most 2^-14.
            const ERROR: f64 = 1.0 / 16384.0;
            let mut random = Random::new(1);
            let one = 1f32.to_bits();
            for first in (one..2f32.to_bits()).step_by(16) {
                let numbers: [f32; 16] = std::array::from_fn(|lane| f32::from_bits(first + lane as u32));
                let errors = [-ERROR, ERROR * (2.0 * random.uniform() - 1.0), ERROR];
                for error in errors {
                    let estimates = numbers.map(|x| ((1.0 + error) / f64::from(x)) as f32);
                    let expected = numbers.map(|x| {
                        if x.to_bits() == 2f32.to_bits() - 1 {
                            0.5
                        } else {
                            1.0 / x
                        }
                    });
                    assert_eq!(reciprocals(numbers, estimates), expected, "{numbers:?}");
                }
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) use arm::Neon;

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::{EXP2_AROUND_ZERO, Vector, polynomial};
    use std::arch::aarch64::*;

    /// Four lanes.
    #[derive(Clone, Copy)]
    pub(crate) struct Neon(float32x4_t);

    // SAFETY (every block of this implementation): by the trait's contract the processor
    // has NEON, and the pointers are good for four floats.
    impl Vector for Neon {
        const LANES: usize = 4;
        const REGISTERS: usize = 32;

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            Neon(unsafe { vld1q_f32(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            unsafe { vst1q_f32(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Neon(unsafe { vdupq_n_f32(value) })
        }
        #[inline(always)]
        unsafe fn add(self, other: Self) -> Self {
            Neon(unsafe { vaddq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn sub(self, other: Self) -> Self {
            Neon(unsafe { vsubq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul(self, other: Self) -> Self {
            Neon(unsafe { vmulq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, factor: Self, term: Self) -> Self {
            Neon(unsafe { vfmaq_f32(term.0, self.0, factor.0) })
        }
        #[inline(always)]
        unsafe fn neg_mul_add(self, factor: Self, term: Self) -> Self {
            Neon(unsafe { vfmsq_f32(term.0, self.0, factor.0) })
        }
        #[inline(always)]
        unsafe fn exp2(self) -> Self {
            // Minimum and maximum keep a NaN, and so does the polynomial.
            unsafe {
                let x = vmaxq_f32(vdupq_n_f32(-64.0), vminq_f32(vdupq_n_f32(64.0), self.0));
                let n = vrndnq_f32(x);
                let p = polynomial(EXP2_AROUND_ZERO, Neon(vsubq_f32(x, n)));
                let exponent = vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127));
                Neon(vmulq_f32(p.0, vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))))
            }
        }
        #[inline(always)]
        unsafe fn reciprocal(self) -> Self {
            Neon(unsafe { vdivq_f32(vdupq_n_f32(1.0), self.0) })
        }
        #[inline(always)]
        unsafe fn sum(self) -> f32 {
            unsafe { vaddvq_f32(self.0) }
        }
        #[inline(always)]
        unsafe fn max(self, other: Self) -> Self {
            Neon(unsafe { vmaxq_f32(self.0, other.0) })
        }
        #[inline(always)]
        unsafe fn largest(self) -> f32 {
            unsafe { vmaxvq_f32(self.0) }
        }
    }
}
