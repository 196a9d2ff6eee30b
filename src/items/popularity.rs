//! The order of those items of which nothing else is known.

/// What an item of so many events counts as for what is popular of late, where so many of them are recent: of items without recent
/// events all of them count.
pub fn of_late(n_recent: u32, n: f64) -> f64 {
    f64::from(n_recent) + 1e-6 * n
}

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
        let shares = shares(counts);
        let mut order: Vec<u32> = (0..shares.len() as u32)
            .filter(|&item| shares[item as usize] > 0.0)
            .collect();
        order.sort_by(|&a, &b| shares[b as usize].total_cmp(&shares[a as usize]));
        Self::of(shares, order).expect("the items are sorted by their shares")
    }

    /// Of counts above 0 of which the order is known; nothing where it is another.
    pub fn ordered(counts: Vec<f64>, order: Vec<u32>) -> Option<Self> {
        let n_items = counts.len();
        Self::of(shares(counts), order).filter(|popularity| popularity.n_known() == n_items)
    }

    fn of(shares: Vec<f64>, order: Vec<u32>) -> Option<Self> {
        let mut places = vec![u32::MAX; shares.len()];
        let mut last = f64::INFINITY;
        for (place, &item) in order.iter().enumerate() {
            let share = *shares.get(item as usize)?;
            if share > last || places[item as usize] != u32::MAX {
                return None;
            }
            last = share;
            places[item as usize] = place as u32;
        }
        let sorted = order.iter().map(|&item| shares[item as usize]).collect();
        Some(Self {
            shares,
            sorted,
            order,
            places,
        })
    }

    /// The share of an item; 0 of one beyond the catalogue.
    pub fn share(&self, item: usize) -> f64 {
        self.shares.get(item).copied().unwrap_or(0.0)
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
        self.places.get(item).copied().unwrap_or(u32::MAX)
    }

    /// How many items have `scale` times their share above `score`, and how many at it.
    pub fn above_and_at(&self, scale: f64, score: f64) -> (usize, usize) {
        let above = self.sorted.partition_point(|share| scale * share > score);
        let until = self.sorted.partition_point(|share| scale * share >= score);
        (above, until - above)
    }
}

fn shares(counts: Vec<f64>) -> Vec<f64> {
    let sum = counts.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    counts.into_iter().map(|count| count / sum).collect()
}
