//! The loops of a Transformer behind safe calls, compiled for each instruction set.
//!
//! Every call checks that its slices are as long as the shapes say, which is all that the loops ask for beyond a
//! processor that has their instructions; [`Machine::available`] gives out no other.

#![allow(unsafe_code)]

use crate::compute::matrix::{Matrix, MatrixMut, Onto};
use crate::compute::product::{self, OuterProducts, PAD};
use crate::compute::vector::{Portable, Vector, exp};

#[cfg(target_arch = "aarch64")]
use crate::compute::vector::Neon;
#[cfg(target_arch = "x86_64")]
use crate::compute::vector::{Avx2, Avx512, has_avx2, has_avx512};

/// Added to a mean square before its root: a row of zeros stays one.
const EPSILON: f32 = 1e-5;
/// The score of a column that is none.
const NOTHING: f32 = -1e30;

/// The instructions of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

/// Loops over vectors.
trait Loops {
    type Output;
    /// # Safety
    /// The processor has V's instructions.
    unsafe fn run<V: Vector>(self) -> Self::Output;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
fn with_avx512<L: Loops>(loops: L) -> L::Output {
    // SAFETY: the instructions are enabled here.
    unsafe { loops.run::<Avx512>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn with_avx2<L: Loops>(loops: L) -> L::Output {
    // SAFETY: the instructions are enabled here.
    unsafe { loops.run::<Avx2>() }
}

impl Machine {
    /// The instructions that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(has_avx512().then_some(Self::Avx512));
            all.extend(has_avx2().then_some(Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(std::arch::is_aarch64_feature_detected!("neon").then_some(Self::Neon));
        all.push(Self::Portable);
        all
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        static BEST: std::sync::OnceLock<Machine> = std::sync::OnceLock::new();
        *BEST.get_or_init(|| Self::available()[0])
    }

    fn run<L: Loops>(self, loops: L) -> L::Output {
        // SAFETY: a machine is made by `available` alone, which has seen that the processor has the instructions.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => with_avx512(loops),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => with_avx2(loops),
                #[cfg(target_arch = "aarch64")]
                Self::Neon => loops.run::<Neon>(),
                Self::Portable => loops.run::<Portable>(),
            }
        }
    }

    /// result (m, n) = onto + left (m, k) · right (k, n); n is a multiple of [`PAD`].
    pub fn product(self, shape: (usize, usize, usize), left: Matrix, right: Matrix, onto: Onto, result: MatrixMut) {
        assert!(left.holds(shape.0, shape.2));
        self.multiply::<false>(shape, left, right, onto, result);
    }

    /// result (m, n) = onto + leftᵀ (m, k) · right (k, n); n is a multiple of [`PAD`].
    pub fn outer_products(
        self,
        shape: (usize, usize, usize),
        left: Matrix,
        right: Matrix,
        onto: Onto,
        result: MatrixMut,
    ) {
        assert!(left.holds(shape.2, shape.0));
        self.multiply::<true>(shape, left, right, onto, result);
    }

    fn multiply<const TRANSPOSED: bool>(
        self,
        (m, n, k): (usize, usize, usize),
        left: Matrix,
        right: Matrix,
        onto: Onto,
        result: MatrixMut,
    ) {
        assert!(n.is_multiple_of(PAD) && right.holds(k, n));
        assert!(result.holds(m, n));
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        let operands = OuterProducts {
            m,
            n,
            k,
            left: left.0.as_ptr(),
            left_stride: left.1,
            right: right.0.as_ptr(),
            right_stride: right.1,
            result: result.0.as_mut_ptr(),
            result_stride: result.1,
            onto: onto.checked(n),
        };
        self.run(Multiply::<TRANSPOSED>(operands));
    }

    /// Writes a matrix (n_rows, n_columns) transposed.
    pub fn transpose(self, (n_rows, n_columns): (usize, usize), from: Matrix, to: MatrixMut) {
        assert!(from.holds(n_rows, n_columns) && to.holds(n_columns, n_rows));
        self.run(Transpose {
            shape: (n_rows, n_columns),
            from,
            to,
        });
    }

    /// Rows of `x` with mean 0 and mean square 1, in `normal`; one over their deviations; and times `gain`, plus `bias`, in `y`. All rows
    /// are as long as `gain`, a multiple of [`PAD`].
    pub fn normalize(
        self,
        x: &[f32],
        gain: &[f32],
        bias: &[f32],
        normal: &mut [f32],
        inverse: &mut [f32],
        y: &mut [f32],
    ) {
        let width = gain.len();
        assert!(width.is_multiple_of(PAD) && bias.len() == width && x.len() == inverse.len() * width);
        assert!(normal.len() == x.len() && y.len() == x.len());
        self.run(Normalize {
            x,
            gain,
            bias,
            normal,
            inverse,
            y,
        });
    }

    /// The gradients of [`Machine::normalize`]: adds that of `x` to `of_x`, and those of gain and bias to theirs.
    pub fn denormalize(
        self,
        of_y: &[f32],
        gain: &[f32],
        (normal, inverse): (&[f32], &[f32]),
        of_x: &mut [f32],
        (of_gain, of_bias): (&mut [f32], &mut [f32]),
    ) {
        let width = gain.len();
        assert!(width.is_multiple_of(PAD) && of_gain.len() == width && of_bias.len() == width);
        assert!(of_y.len() == inverse.len() * width && normal.len() == of_y.len() && of_x.len() == of_y.len());
        self.run(Denormalize {
            of_y,
            gain,
            normal,
            inverse,
            of_x,
            of_gain,
            of_bias,
        });
    }

    /// Replaces rows of scores by probabilities after `scale`: row r has `first` + r + 1 columns, and zeros behind them up to
    /// `width`, a multiple of [`PAD`].
    pub fn causal_softmax(self, scores: MatrixMut, (n_rows, width): (usize, usize), first: usize, scale: f32) {
        assert!(width.is_multiple_of(PAD) && first + n_rows <= width);
        assert!(scores.holds(n_rows, width));
        self.run(CausalSoftmax {
            scores,
            n_rows,
            width,
            first,
            scale,
        });
    }

    /// Replaces the gradients of such probabilities by those of the scores.
    pub fn causal_gradient(
        self,
        probabilities: Matrix,
        gradients: MatrixMut,
        (n_rows, width): (usize, usize),
        scale: f32,
    ) {
        assert!(width.is_multiple_of(PAD));
        assert!(probabilities.holds(n_rows, width));
        assert!(gradients.holds(n_rows, width));
        self.run(CausalGradient {
            probabilities,
            gradients,
            n_rows,
            width,
            scale,
        });
    }

    /// Replaces rows of scores, of which `n_columns` are some, by their exponentials less `at`, times `factor`, and gives nothing for the
    /// columns behind them.
    pub fn exponentials(self, scores: MatrixMut, n_columns: usize, at: &[f32], factor: f32) {
        assert!(scores.1.is_multiple_of(PAD) && n_columns <= scores.1 && scores.0.len() == at.len() * scores.1);
        self.run(Exponentials {
            scores,
            n_columns,
            at,
            factor,
        });
    }

    /// Goes on with sums of exponentials over one more block of rows of scores, which are replaced by them: `largest` are the largest scores so
    /// far, less which exponentials are taken, `sums` theirs, and `means` the rows, `means.1` long, that grow with them.
    pub fn sum_exponentials(
        self,
        scores: MatrixMut,
        n_columns: usize,
        largest: &mut [f32],
        sums: &mut [f32],
        means: MatrixMut,
    ) {
        assert!(scores.1.is_multiple_of(PAD) && (1..=scores.1).contains(&n_columns));
        assert!(scores.0.len() == largest.len() * scores.1 && sums.len() == largest.len());
        assert!(means.1.is_multiple_of(PAD) && means.0.len() == largest.len() * means.1);
        self.run(SumExponentials {
            scores,
            n_columns,
            largest,
            sums,
            means,
        });
    }

    /// One step of Adam (Kingma and Ba, 2015, algorithm 1) with its usual decays: `rate` has the correction of the first moment, and `correction` is that of the second.
    pub fn adam(self, parameters: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2], rate: f32, correction: f32) {
        assert!(gradient.len() == parameters.len() && moments.iter().all(|one| one.len() == parameters.len()));
        self.run(Adam {
            parameters,
            gradient,
            moments,
            rate,
            correction,
        });
    }
}

struct Multiply<const TRANSPOSED: bool>(OuterProducts);

impl<const TRANSPOSED: bool> Loops for Multiply<TRANSPOSED> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        // SAFETY: the shapes were compared with the slices.
        unsafe {
            if TRANSPOSED {
                product::outer_products::<V>(&self.0)
            } else {
                product::row_products::<V>(&self.0)
            }
        }
    }
}

struct Transpose<'a> {
    shape: (usize, usize),
    from: Matrix<'a>,
    to: MatrixMut<'a>,
}

impl Loops for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (from, to) = (self.from, self.to);
        // SAFETY: as above.
        unsafe { product::put_columns::<V>(self.shape, from.0.as_ptr(), from.1, to.0.as_mut_ptr(), to.1) }
    }
}

/// The vector from place `at` of a slice on.
///
/// # Safety
/// The slice goes so far.
#[inline(always)]
unsafe fn load<V: Vector>(from: &[f32], at: usize) -> V {
    debug_assert!(at + V::LANES <= from.len());
    unsafe { V::load(from.as_ptr().add(at)) }
}

/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn store<V: Vector>(vector: V, to: &mut [f32], at: usize) {
    debug_assert!(at + V::LANES <= to.len());
    unsafe { vector.store(to.as_mut_ptr().add(at)) }
}

struct Normalize<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    bias: &'a [f32],
    normal: &'a mut [f32],
    inverse: &'a mut [f32],
    y: &'a mut [f32],
}

impl Loops for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let width = self.gain.len();
        let n = width as f32;
        // SAFETY: the lengths were compared, and rows are whole vectors.
        unsafe {
            for (row, inverse) in self.inverse.iter_mut().enumerate() {
                let at = row * width;
                let mut sum = V::splat(0.0);
                for c in (0..width).step_by(V::LANES) {
                    sum = sum.add(load(self.x, at + c));
                }
                let mean = V::splat(sum.sum() / n);
                let mut square = V::splat(0.0);
                for c in (0..width).step_by(V::LANES) {
                    let x = load::<V>(self.x, at + c).sub(mean);
                    square = x.mul_add(x, square);
                }
                *inverse = 1.0 / (square.sum() / n + EPSILON).sqrt();
                let factor = V::splat(*inverse);
                for c in (0..width).step_by(V::LANES) {
                    let normal = load::<V>(self.x, at + c).sub(mean).mul(factor);
                    store(normal, self.normal, at + c);
                    store(normal.mul_add(load(self.gain, c), load(self.bias, c)), self.y, at + c);
                }
            }
        }
    }
}

struct Denormalize<'a> {
    of_y: &'a [f32],
    gain: &'a [f32],
    normal: &'a [f32],
    inverse: &'a [f32],
    of_x: &'a mut [f32],
    of_gain: &'a mut [f32],
    of_bias: &'a mut [f32],
}

impl Loops for Denormalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let width = self.gain.len();
        let n = width as f32;
        // SAFETY: as above.
        unsafe {
            for (row, &inverse) in self.inverse.iter().enumerate() {
                let at = row * width;
                let (mut sum, mut along) = (V::splat(0.0), V::splat(0.0));
                for c in (0..width).step_by(V::LANES) {
                    let (of_y, normal) = (load::<V>(self.of_y, at + c), load::<V>(self.normal, at + c));
                    let of_normal = of_y.mul(load(self.gain, c));
                    sum = sum.add(of_normal);
                    along = of_normal.mul_add(normal, along);
                    store(of_y.mul_add(normal, load(self.of_gain, c)), self.of_gain, c);
                    store(of_y.add(load(self.of_bias, c)), self.of_bias, c);
                }
                let (mean, along) = (V::splat(sum.sum() / n), V::splat(along.sum() / n));
                for c in (0..width).step_by(V::LANES) {
                    let of_normal = load::<V>(self.of_y, at + c).mul(load(self.gain, c)).sub(mean);
                    let across = load::<V>(self.normal, at + c).neg_mul_add(along, of_normal);
                    store(
                        across.mul_add(V::splat(inverse), load(self.of_x, at + c)),
                        self.of_x,
                        at + c,
                    );
                }
            }
        }
    }
}

struct CausalSoftmax<'a> {
    scores: MatrixMut<'a>,
    n_rows: usize,
    width: usize,
    first: usize,
    scale: f32,
}

impl Loops for CausalSoftmax<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let MatrixMut(scores, stride) = self.scores;
        for row in 0..self.n_rows {
            let begin = row * stride;
            let row_of = &mut scores[begin..begin + self.width];
            row_of[self.first + row + 1..].fill(NOTHING);
            // SAFETY: a row is whole vectors.
            unsafe { softmax::<V>(row_of, self.scale) };
            // Exponentials have a smallest value above 0.
            row_of[self.first + row + 1..].fill(0.0);
        }
    }
}

/// # Safety
/// A row is whole vectors of V.
#[inline(always)]
unsafe fn softmax<V: Vector>(row: &mut [f32], scale: f32) {
    let width = row.len();
    // SAFETY: by the contract.
    unsafe {
        let mut largest = V::splat(NOTHING);
        for c in (0..width).step_by(V::LANES) {
            largest = largest.max(load(row, c));
        }
        let (largest, scale) = (V::splat(largest.largest()), V::splat(scale));
        let mut sum = V::splat(0.0);
        for c in (0..width).step_by(V::LANES) {
            let power = exp(load::<V>(row, c).sub(largest).mul(scale));
            sum = sum.add(power);
            store(power, row, c);
        }
        let factor = V::splat(1.0 / sum.sum());
        for c in (0..width).step_by(V::LANES) {
            store(load::<V>(row, c).mul(factor), row, c);
        }
    }
}

struct CausalGradient<'a> {
    probabilities: Matrix<'a>,
    gradients: MatrixMut<'a>,
    n_rows: usize,
    width: usize,
    scale: f32,
}

impl Loops for CausalGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (Matrix(p, p_stride), MatrixMut(g, g_stride)) = (self.probabilities, self.gradients);
        for row in 0..self.n_rows {
            let p = &p[row * p_stride..row * p_stride + self.width];
            let g = &mut g[row * g_stride..row * g_stride + self.width];
            // SAFETY: a row is whole vectors.
            unsafe {
                let mut along = V::splat(0.0);
                for c in (0..self.width).step_by(V::LANES) {
                    along = load::<V>(p, c).mul_add(load(g, c), along);
                }
                let (along, scale) = (V::splat(along.sum()), V::splat(self.scale));
                for c in (0..self.width).step_by(V::LANES) {
                    let of = load::<V>(g, c).sub(along).mul(load(p, c)).mul(scale);
                    store(of, g, c);
                }
            }
        }
    }
}

struct Exponentials<'a> {
    scores: MatrixMut<'a>,
    n_columns: usize,
    at: &'a [f32],
    factor: f32,
}

impl Loops for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let MatrixMut(scores, stride) = self.scores;
        for (row, &at) in scores.chunks_exact_mut(stride).zip(self.at) {
            // SAFETY: a row is whole vectors.
            unsafe {
                let factor = V::splat(self.factor);
                for c in (0..stride).step_by(V::LANES) {
                    let power = exp(load::<V>(row, c).sub(V::splat(at)));
                    store(power.mul(factor), row, c);
                }
            }
            row[self.n_columns..].fill(0.0);
        }
    }
}

struct SumExponentials<'a> {
    scores: MatrixMut<'a>,
    n_columns: usize,
    largest: &'a mut [f32],
    sums: &'a mut [f32],
    means: MatrixMut<'a>,
}

impl Loops for SumExponentials<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let (MatrixMut(scores, stride), MatrixMut(means, width)) = (self.scores, self.means);
        let rows = scores.chunks_exact_mut(stride).zip(means.chunks_exact_mut(width));
        for ((row, mean), (largest, sum)) in rows.zip(self.largest.iter_mut().zip(self.sums)) {
            row[self.n_columns..].fill(NOTHING);
            // SAFETY: rows are whole vectors.
            unsafe {
                let mut most = V::splat(*largest);
                for c in (0..stride).step_by(V::LANES) {
                    most = most.max(load(row, c));
                }
                let most = most.largest();
                if most > *largest {
                    let faded = (*largest - most).exp();
                    *sum *= faded;
                    for c in (0..width).step_by(V::LANES) {
                        store(load::<V>(mean, c).mul(V::splat(faded)), mean, c);
                    }
                    *largest = most;
                }
                let at = V::splat(most);
                let mut of_row = V::splat(0.0);
                for c in (0..stride).step_by(V::LANES) {
                    let power = exp(load::<V>(row, c).sub(at));
                    of_row = of_row.add(power);
                    store(power, row, c);
                }
                *sum += of_row.sum();
            }
            // Exponentials have a smallest value above 0, of 1e-19, which is nothing beside the largest, of 1.
            row[self.n_columns..].fill(0.0);
        }
    }
}

struct Adam<'a> {
    parameters: &'a mut [f32],
    gradient: &'a [f32],
    moments: [&'a mut [f32]; 2],
    rate: f32,
    correction: f32,
}

impl Loops for Adam<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector>(self) {
        let [first, second] = self.moments;
        let of_parameters = self.parameters.iter_mut().zip(self.gradient);
        for ((p, &g), (m, v)) in of_parameters.zip(first.iter_mut().zip(second.iter_mut())) {
            *m += 0.1 * (g - *m);
            *v += 0.001 * (g * g - *v);
            *p -= self.rate * *m / ((*v * self.correction).sqrt() + 1e-8);
        }
    }
}
