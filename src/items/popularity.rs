//! The order of those items of which nothing else is known.

/// What each item has as its share, and the items in that order.
#[derive(Debug)]
pub struct Popularity {
    shares: Vec<f64>,
    /// Descending; only items that occur.
    sorted: Vec<f64>,
    /// The items of `sorted`.
    order: Vec<u32>,
    /// Where each item stands in `order`.
    places: Vec<u32>,
}

impl Popularity {
    /// Of counts that may be any numbers from 0 on; 0 is an item that does not occur.
    pub fn new(counts: Vec<f64>) -> Self {
        let sum = counts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let shares: Vec<f64> = counts.into_iter().map(|count| count / sum).collect();
        let mut order: Vec<u32> = (0..shares.len() as u32)
            .filter(|&item| shares[item as usize] > 0.0)
            .collect();
        order.sort_by(|&a, &b| shares[b as usize].total_cmp(&shares[a as usize]));
        let mut places = vec![u32::MAX; shares.len()];
        for (place, &item) in order.iter().enumerate() {
            places[item as usize] = place as u32;
        }
        let sorted = order.iter().map(|&item| shares[item as usize]).collect();
        Self {
            shares,
            sorted,
            order,
            places,
        }
    }

    /// The share of an item.
    pub fn share(&self, item: usize) -> f64 {
        self.shares[item]
    }

    /// How many items occur.
    pub fn n_known(&self) -> usize {
        self.order.len()
    }

    /// The items that occur, the most popular first, of equally popular ones the one with the lower number.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// The place of an item in that order; items that do not occur are behind all others.
    pub fn place(&self, item: usize) -> u32 {
        self.places[item]
    }

    /// How many items have `scale` times their share above `score`, and how many at it.
    pub fn above_and_at(&self, scale: f64, score: f64) -> (usize, usize) {
        let above = self.sorted.partition_point(|share| scale * share > score);
        let until = self.sorted.partition_point(|share| scale * share >= score);
        (above, until - above)
    }
}
