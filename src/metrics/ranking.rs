//! How high what happened stands in a list of all that could.
//!
//! A rank is the number of things above, of equal ones half, so no order among equals is lucky. The measures are those of the first
//! k places: hit rate, normalised discounted cumulative gain (Järvelin and Kekäläinen, 2002) and mean reciprocal rank.

/// The measures of one list for what happened next.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranked {
    /// Gain of those within the first k over that of the best list, 0 to 1.
    pub ndcg: f64,
    /// One over the place of the first of them, from 1; 0 where none is within the first k.
    pub reciprocal: f64,
}

impl Ranked {
    /// Of the ranks, from 0, of all that happened next; an infinite one is of what the list does not have.
    pub fn new(ranks: &[f64], k: usize) -> Self {
        let gain = |rank: f64| 1.0 / (rank + 2.0).log2();
        let within = || ranks.iter().copied().filter(|&rank| rank < k as f64);
        let ideal: f64 = (0..ranks.len().min(k)).map(|rank| gain(rank as f64)).sum();
        let first = within().fold(f64::INFINITY, f64::min);
        Self {
            ndcg: if ideal > 0.0 {
                within().map(gain).sum::<f64>() / ideal
            } else {
                0.0
            },
            reciprocal: if first.is_finite() { 1.0 / (first + 1.0) } else { 0.0 },
        }
    }

    /// Whether anything that happened is within the first k.
    pub fn is_hit(self) -> bool {
        self.reciprocal > 0.0
    }

    /// Hit, gain and reciprocal rank.
    pub fn measures(self) -> [f64; 3] {
        [f64::from(u8::from(self.is_hit())), self.ndcg, self.reciprocal]
    }
}

/// The mean over targets of what users have, and its standard error over users: that of a ratio (Cochran, 1977, "Sampling
/// Techniques", section 6.4), since users are drawn and not targets; none for a single user.
///
/// `sums` and `counts` have one number for each user who has targets, the sum over these and how many they are.
pub fn mean_over_users(
    sums: impl Iterator<Item = f64> + Clone,
    counts: impl Iterator<Item = f64> + Clone,
) -> (f64, Option<f64>) {
    let (n, n_users) = counts
        .clone()
        .fold((0.0, 0.0), |(n, users), count| (n + count, users + 1.0));
    let mean = sums.clone().sum::<f64>() / n;
    let residuals = sums.zip(counts).map(|(sum, count)| sum - mean * count);
    let squares: f64 = residuals.map(|residual| residual * residual).sum();
    let error = (n_users / (n_users - 1.0) * squares).sqrt() / n;
    (mean, (n_users > 1.0).then_some(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_target_by_hand() {
        // Place 3 of a list: 1 / log2(4) = 0.5 and a third.
        assert_eq!(Ranked::new(&[2.0], 10).measures(), [1.0, 0.5, 1.0 / 3.0]);
        // Place 11 is no hit in 10, and half of a tie around the edge is.
        assert_eq!(Ranked::new(&[10.0], 10).measures(), [0.0; 3]);
        assert!(Ranked::new(&[9.5], 10).is_hit());
        assert_eq!(Ranked::new(&[f64::INFINITY], 10).measures(), [0.0; 3]);
    }

    #[test]
    fn a_basket_by_hand() {
        // Places 1 and 4 of a basket of three: (1 + 1 / log2(5)) / (1 + 1 / log2(3) + 1 / 2), the first at once.
        let ranked = Ranked::new(&[3.0, f64::INFINITY, 0.0], 10);
        let expected = (1.0 + 1.0 / 5f64.log2()) / (1.0 + 1.0 / 3f64.log2() + 0.5);
        assert!((ranked.ndcg - expected).abs() < 1e-15, "{ranked:?}");
        assert_eq!(ranked.reciprocal, 1.0);
        // Of a basket of three two fit into a list of two.
        assert_eq!(Ranked::new(&[0.0, 1.0, 2.0], 2).ndcg, 1.0);
    }

    #[test]
    fn the_error_is_that_of_a_ratio() {
        // Users with 1 of 2, 0 of 1 and 3 of 3: mean 4 / 6, residuals -1/3, -2/3, 1; sqrt(3 / 2 * 14 / 9) / 6.
        let (mean, error) = mean_over_users([1.0, 0.0, 3.0].into_iter(), [2.0, 1.0, 3.0].into_iter());
        assert!((mean - 4.0 / 6.0).abs() < 1e-15);
        assert!((error.unwrap() - (1.5f64 * 14.0 / 9.0).sqrt() / 6.0).abs() < 1e-15);
        assert_eq!(mean_over_users([1.0].into_iter(), [2.0].into_iter()), (0.5, None));
    }
}
