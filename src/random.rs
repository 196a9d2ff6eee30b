//! Random numbers that we own: the same seed gives the same numbers on every
//! machine, for any number of threads and in every version of our dependencies.
//!
//! Two ways to draw:
//! - [`Random`] is a sequential stream, SplitMix64 (Steele, Lea and Flood,
//!   "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014);
//! - [`hash`] is the same mixing function used as a counter-based generator: the
//!   number is a pure function of seed and counters, so the order in which numbers
//!   are asked for does not matter.

/// 2^64 divided by the golden ratio, made odd: the increment of SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64: a bijection of 64 bits in which every input bit
/// changes every output bit with probability one half.
#[inline]
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// 64 random bits that depend on nothing but `seed` and `counters`.
#[inline]
pub fn hash(seed: u64, counters: &[u64]) -> u64 {
    counters.iter().fold(mix(seed.wrapping_add(GOLDEN)), |state, &counter| {
        mix((state ^ counter).wrapping_add(GOLDEN))
    })
}

/// A sequential stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of `seed`.
    pub fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// An independent stream for one use of a seed: `purpose` keeps, say, the
    /// shuffling of a training run apart from its start weights.
    pub fn for_purpose(seed: u64, purpose: &str) -> Self {
        let purpose = purpose.bytes().fold(0, |state, byte| mix(state ^ u64::from(byte)));
        Random::new(hash(seed, &[purpose]))
    }

    /// 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in 0..n without bias (Lemire, "Fast Random Integer Generation in an
    /// Interval", 2019). Gives 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        let rejected = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }

    /// Standard normal (Box and Muller, 1958; the sine half is not used).
    pub fn normal(&mut self) -> f64 {
        // 1 - u lies in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Shuffles in place; every order is equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_splitmix64() {
        // The first outputs for seed 1234567 as published with the reference
        // implementation (https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64).
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..5).map(|_| random.next_u64()).collect();
        assert_eq!(
            drawn,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn hash_depends_on_seed_counters_and_their_order() {
        let base = hash(1, &[2, 3]);
        assert_eq!(base, hash(1, &[2, 3]));
        for other in [hash(2, &[2, 3]), hash(1, &[3, 2]), hash(1, &[2]), hash(1, &[2, 3, 0])] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn moments_of_uniform_and_normal() {
        let mut random = Random::new(7);
        let n = 100_000;
        let uniform: f64 = (0..n).map(|_| random.uniform()).sum::<f64>() / n as f64;
        let normals: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / n as f64;
        let square = normals.iter().map(|x| x * x).sum::<f64>() / n as f64;
        // Five standard errors.
        assert!((uniform - 0.5).abs() < 5.0 * 0.2887 / 316.2);
        assert!(mean.abs() < 5.0 / 316.2);
        assert!((square - 1.0).abs() < 5.0 * 2f64.sqrt() / 316.2);
    }

    #[test]
    fn below_covers_its_range_evenly() {
        let mut random = Random::new(3);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[random.below(6) as usize] += 1;
        }
        // Chi-square with 5 degrees of freedom; 30 is beyond the 99.99th percentile.
        let chi: f64 = counts.iter().map(|&n| (f64::from(n) - 1e4).powi(2) / 1e4).sum();
        assert!(chi < 30.0, "{counts:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn shuffle_is_a_permutation_and_repeats() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            Random::new(seed).shuffle(&mut items);
            items
        };
        let mut sorted = shuffled(5);
        assert_ne!(sorted, (0..50).collect::<Vec<_>>());
        assert_eq!(sorted, shuffled(5));
        assert_ne!(sorted, shuffled(6));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn purposes_have_their_own_streams() {
        let first = |purpose| Random::for_purpose(1, purpose).next_u64();
        assert_ne!(first("weights"), first("order"));
        assert_eq!(first("weights"), first("weights"));
    }
}
