//! Where an item stands among all items of the catalogue.

use super::popularity::Popularity;

/// Items with this score are not shown.
pub const HIDDEN: f64 = f64::NEG_INFINITY;
/// With so many questions to one ranking it is worth sorting.
const WORTH_SORTING: usize = 8;

/// What a method says of a history: some items have scores, all others `scale` times their popularity.
#[derive(Debug)]
pub struct Ranking<'a> {
    popularity: &'a Popularity,
    scale: f64,
    /// Score by item where it is listed, 0 elsewhere.
    scores: &'a [f64],
    /// The scores of the listed items; descending if sorted.
    listed: Vec<f64>,
    /// What these would have if they were not listed; descending if sorted.
    instead: Vec<f64>,
    is_sorted: bool,
    best: Vec<(f64, u32)>,
}

impl<'a> Ranking<'a> {
    /// Of listed `items` with `scores` above 0 in a table of all items; `n_best` items can be asked for, and some
    /// `n_questions` will be.
    pub fn new(
        popularity: &'a Popularity,
        scale: f64,
        (items, scores): (&[u32], &'a [f64]),
        n_best: usize,
        n_questions: usize,
    ) -> Self {
        let mut listed: Vec<f64> = items.iter().map(|&item| scores[item as usize]).collect();
        let mut instead: Vec<f64> = items
            .iter()
            .map(|&item| scale * popularity.share(item as usize))
            .collect();
        let is_sorted = n_questions > WORTH_SORTING;
        if is_sorted {
            listed.sort_unstable_by(|a, b| b.total_cmp(a));
            instead.sort_unstable_by(|a, b| b.total_cmp(a));
        }
        let mut ranking = Self {
            popularity,
            scale,
            scores,
            listed,
            instead,
            is_sorted,
            best: Vec::new(),
        };
        ranking.best = ranking.find_best(items, n_best, |_| true);
        ranking
    }

    /// The first `n` of those items that are `shown`, with their scores; `items` are the listed ones.
    pub fn find_best(&self, items: &[u32], n: usize, shown: impl Fn(u32) -> bool) -> Vec<(f64, u32)> {
        if n == 0 {
            return Vec::new();
        }
        let scored = |item: u32| (self.score(item as usize), item);
        let listed = items.iter().filter(|&&item| shown(item));
        let mut best: Vec<(f64, u32)> = listed.map(|&item| scored(item)).collect();
        self.keep_first(&mut best, n);
        let others = self
            .popularity
            .order()
            .iter()
            .filter(|&&item| self.scores[item as usize] == 0.0 && shown(item));
        best.extend(others.take(n).map(|&item| scored(item)));
        self.keep_first(&mut best, n);
        best
    }

    /// Leaves the first `n` of some items, in their order.
    pub fn keep_first(&self, items: &mut Vec<(f64, u32)>, n: usize) {
        if items.len() > n {
            items.select_nth_unstable_by(n, |a, b| self.order(a, b));
            items.truncate(n);
        }
        items.sort_unstable_by(|a, b| self.order(a, b));
    }

    /// The higher score first, of equal ones the more popular.
    fn order(&self, a: &(f64, u32), b: &(f64, u32)) -> std::cmp::Ordering {
        let place = |item: u32| (self.popularity.place(item as usize), item);
        b.0.total_cmp(&a.0).then_with(|| place(a.1).cmp(&place(b.1)))
    }

    /// The score of an item.
    pub fn score(&self, item: usize) -> f64 {
        match self.scores[item] {
            0.0 => self.scale * self.popularity.share(item),
            score => score,
        }
    }

    fn above_and_at(&self, score: f64) -> (i64, i64) {
        let count = |scores: &[f64]| {
            if self.is_sorted {
                let above = scores.partition_point(|&one| one > score);
                (above, scores.partition_point(|&one| one >= score) - above)
            } else {
                let above = scores.iter().filter(|&&one| one > score).count();
                (above, scores.iter().filter(|&&one| one == score).count())
            }
        };
        let (all, listed, instead) = (
            self.popularity.above_and_at(self.scale, score),
            count(&self.listed),
            count(&self.instead),
        );
        let difference = |all: usize, listed: usize, instead: usize| all as i64 + listed as i64 - instead as i64;
        (
            difference(all.0, listed.0, instead.0),
            difference(all.1, listed.1, instead.1),
        )
    }

    /// How many items stand above `target`, of equal ones half; nothing where it is hidden, or nothing is known of it. `changed` items,
    /// all different, have other scores than the ranking's, and no others are `is_changed`.
    pub fn rank(&self, changed: &[(u32, f64)], is_changed: impl Fn(usize) -> bool, target: usize) -> Option<f64> {
        let own = || changed.iter().find(|(item, _)| *item as usize == target);
        let own = if is_changed(target) { own() } else { None };
        let score = own.map_or_else(|| self.score(target), |(_, score)| *score);
        if score <= 0.0 {
            return None;
        }
        let (mut above, mut at) = self.above_and_at(score);
        for &(item, new) in changed {
            let old = self.score(item as usize);
            above += i64::from(new > score) - i64::from(old > score && old > 0.0);
            at += i64::from(new == score) - i64::from(old == score && old > 0.0);
        }
        Some(above as f64 + (at - 1) as f64 / 2.0)
    }

    /// The first `k` items, or fewer where there are not so many. Of changed items, as in [`Ranking::rank`], so many can be hidden as
    /// the ranking has best ones beyond `k`.
    pub fn best(&self, changed: &[(u32, f64)], is_changed: impl Fn(usize) -> bool, k: usize) -> Vec<u32> {
        let scored = changed.iter().filter(|(_, score)| *score > 0.0);
        let mut shown: Vec<(f64, u32)> = scored.map(|&(item, score)| (score, item)).collect();
        shown.extend(
            self.best
                .iter()
                .filter(|(_, item)| changed.is_empty() || !is_changed(*item as usize))
                .take(k),
        );
        self.keep_first(&mut shown, k);
        shown.into_iter().map(|(_, item)| item).collect()
    }
}
