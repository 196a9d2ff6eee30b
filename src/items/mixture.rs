//! What a user did before, what follows the last item, what is popular, and what a network says, together.

use super::cases::{Asked, Case, Fading, Own, Targets, fit_cases};
use super::counts::Counts;
use super::followers::{Row, UNIT};
use super::histories::Histories;
use super::popularity::Popularity;
use super::predictor::Predictor;
use super::ranking::Ranking;
use super::training::Part;
use crate::compute::job::Steps;
use crate::compute::parallel;
use crate::metrics::Ranked;
use serde::{Deserialize, Serialize};

/// Questions that choose the weights: enough for a second digit.
pub const MOST_CASES: usize = 4000;
const N_SHARDS: usize = 16;
/// Popularity has at least this share, or items of which nothing else is known would all be equal.
const LEAST_POPULAR: f64 = 1e-9;
/// A candidate with that share of the best gain is as good: a few thousand questions tell no more.
const AS_GOOD: f64 = 0.995;

/// Shares of the parts, which are 1 together.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mixture {
    /// Of the user's own items.
    pub repeat: f64,
    /// How fast they fade.
    pub fading: Fading,
    /// Of what follows the last item.
    pub rules: f64,
    /// Of what is popular.
    pub popular: f64,
    /// Whether it is what was popular of late.
    pub is_recent: bool,
    /// Of what a network says.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub network: f64,
}

fn is_nothing(share: &f64) -> bool {
    *share == 0.0
}

impl std::fmt::Display for Mixture {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let Self {
            repeat,
            fading,
            rules,
            popular,
            is_recent,
            network,
        } = self;
        let kind = if *is_recent { "popular_recent" } else { "popular" };
        let power = fading.power();
        write!(
            f,
            "repeat {repeat:.2} (age^-{power}), rules {rules:.2}, {kind} {popular:.2}"
        )?;
        match is_nothing(network) {
            true => Ok(()),
            false => write!(f, ", network {network:.2}"),
        }
    }
}

impl Mixture {
    fn new(repeat: f64, fading: Fading, popular: f64, is_recent: bool) -> Self {
        let others = 1.0 - popular;
        Self {
            repeat: repeat * others,
            fading,
            rules: (1.0 - repeat) * others,
            popular,
            is_recent,
            network: 0.0,
        }
    }

    /// What a network says alone, behind it what is popular.
    pub fn of_network() -> Self {
        Self::new(0.0, Fading::Linear, 1.0, false).with_network(1.0)
    }

    /// The same parts beside a network with that share.
    fn with_network(self, network: f64) -> Self {
        let rest = (1.0 - network) / (1.0 - self.network);
        Self {
            repeat: self.repeat * rest,
            rules: self.rules * rest,
            popular: (self.popular * rest).max(LEAST_POPULAR),
            network,
            ..self
        }
    }

    /// The same, but own items have that share of what they and the rules have together.
    fn with_repeat(self, share: f64) -> Self {
        let both = self.repeat + self.rules;
        Self {
            repeat: share * both,
            rules: (1.0 - share) * both,
            ..self
        }
    }

    /// The best share of a network, and that of own items beside it; `measures` has the gain of some candidates, and the mean logarithm of what they
    /// have for what came next. Of those that are as good as the best by the first, which knows no more than places, the second chooses.
    pub fn fit_network(self, measures: impl Fn(&[Self]) -> Vec<[f64; 2]>) -> Self {
        const SHARES: [f64; 9] = [0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97];
        let choose = |candidates: Vec<Self>| {
            let measures = measures(&candidates);
            let best = measures.iter().fold(0.0, |best: f64, [gain, _]| best.max(*gain));
            let logarithms = measures.iter().map(|&[gain, logarithm]| match gain >= AS_GOOD * best {
                true => logarithm,
                false => f64::MIN,
            });
            first_best(&logarithms.collect::<Vec<_>>(), &candidates)
        };
        let of_network = |mixture: Self| SHARES.map(|share| mixture.with_network(share)).to_vec();
        let of_repeat =
            |mixture: Self| [vec![mixture], SHARES.map(|share| mixture.with_repeat(share)).to_vec()].concat();
        let found = choose(of_network(self));
        if is_nothing(&found.network) {
            return self;
        }
        choose(of_network(choose(of_repeat(found))))
    }

    /// The parts and their shares.
    fn parts(&self) -> [(Predictor, f64); 4] {
        let popular = if self.is_recent {
            Predictor::PopularRecent
        } else {
            Predictor::Popular
        };
        [
            (Predictor::Repeat, self.repeat),
            (Predictor::Rules, self.rules),
            (popular, self.popular),
            (Predictor::Network, self.network),
        ]
    }

    /// The share of a part; 0 of what is none.
    pub fn share(&self, part: Predictor) -> f64 {
        let mut parts = self.parts().into_iter();
        parts.find(|(one, _)| *one == part).map_or(0.0, |(_, share)| share)
    }

    /// The part with the largest share.
    pub fn carried_by(&self) -> Predictor {
        let parts = self.parts();
        parts
            .into_iter()
            .fold(parts[0], |best, part| if part.1 > best.1 { part } else { best })
            .0
    }

    /// Whether the shares are such.
    pub fn is_sound(&self) -> bool {
        let shares = [self.repeat, self.rules, self.popular, self.network];
        let are_shares = shares.iter().all(|share| (0.0..=1.0).contains(share));
        are_shares && self.popular >= LEAST_POPULAR && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-6
    }

    /// The popularity that it is made of.
    pub fn popularity<'a>(&self, counts: &'a Counts) -> &'a Popularity {
        self.chosen(&counts.popularity, counts.recent.as_ref())
    }

    /// The one of two popularities that it is made of.
    pub fn chosen<'a>(&self, all: &'a Popularity, recent: Option<&'a Popularity>) -> &'a Popularity {
        recent.filter(|_| self.is_recent).unwrap_or(all)
    }

    /// What an item has for its popularity, in shares, where `row` follows the last item.
    pub fn scale(&self, row: &Row) -> f64 {
        self.rules / (row.total() as f64 / UNIT as f64 + 1.0) + self.popular
    }

    /// Writes the scores of the items that follow, so far as they are not the user's own.
    pub fn write(&self, popularity: &Popularity, row: &Row, scores: &mut [f64]) {
        let scale = self.scale(row);
        let weight = self.rules / (row.total() as f64 / UNIT as f64 + 1.0);
        for &item in row.items() {
            let follows = weight * (row.weight(item as usize) as f64 / UNIT as f64);
            scores[item as usize] = follows + scale * popularity.share(item as usize);
        }
    }

    /// The scores of the user's own items, those that nobody had in the training included.
    pub fn own(&self, own: &Own, ranking: &Ranking) -> Vec<(u32, f64)> {
        let scored = own
            .shares()
            .map(|(item, share)| (item, ranking.score(item as usize) + self.repeat * share));
        scored.filter(|(_, score)| *score > 0.0).collect()
    }

    /// The one with the highest gain on those events that train but do not fit.
    pub fn fit(histories: &Histories, asked: &Asked, targets: Targets, threads: usize) -> Self {
        let first = Self::new(0.5, Fading::Linear, LEAST_POPULAR, false);
        let cases = fit_cases(histories, targets, MOST_CASES);
        if cases.is_empty() {
            return first;
        }
        let counts = Counts::new(histories, Part::Fit);
        let choose = |candidates: Vec<Self>| {
            first_best(
                &gains(histories, &counts, &cases, &candidates, asked, threads),
                &candidates,
            )
        };
        let shares = [0.5, 0.25, 0.75, 0.1, 0.9, 0.0, 1.0];
        let of_fading = |fading| shares.map(|share| Self::new(share, fading, LEAST_POPULAR, false));
        let best = choose(Fading::ALL.into_iter().flat_map(of_fading).collect());
        let share = best.repeat / (1.0 - best.popular);
        let kinds = [false, true]
            .into_iter()
            .filter(|&is_recent| !is_recent || counts.recent.is_some());
        let of_kind = |is_recent| {
            [LEAST_POPULAR, 0.1, 0.3, 0.6, 0.95].map(|popular| Self::new(share, best.fading, popular, is_recent))
        };
        choose(kinds.flat_map(of_kind).collect())
    }
}

/// The first of the candidates with the highest gain.
fn first_best(gains: &[f64], candidates: &[Mixture]) -> Mixture {
    let best = gains.iter().copied().fold(f64::MIN, f64::max);
    candidates[gains.iter().position(|&gain| gain == best).unwrap_or(0)]
}

/// The sum of the gains of each candidate.
fn gains(
    histories: &Histories,
    counts: &Counts,
    cases: &[Case],
    candidates: &[Mixture],
    asked: &Asked,
    threads: usize,
) -> Vec<f64> {
    let shards: Vec<&[Case]> = cases.chunks(cases.len().div_ceil(N_SHARDS)).collect();
    let of_shards = parallel::do_all(threads, shards, |cases| {
        let n_items = histories.n_items;
        let (mut row, mut own, mut scores) = (Row::new(n_items), Own::new(n_items), vec![0.0; n_items]);
        let (mut sums, mut steps) = (vec![0.0; candidates.len()], Steps::default());
        for case in cases {
            let (before, targets) = (case.before(histories), case.targets(histories));
            match counts.training.last_known(before) {
                Some(last) => row.fill(&counts.training, last, asked.window, &mut steps),
                None => row.clear(),
            }
            for (mixture, sum) in candidates.iter().zip(&mut sums) {
                own.fill(before, mixture.fading);
                mixture.write(mixture.popularity(counts), &row, &mut scores);
                let ranking = Ranking::new(
                    mixture.popularity(counts),
                    mixture.scale(&row),
                    (row.items(), &scores),
                    0,
                    1,
                );
                let changed = if asked.exclude_seen {
                    own.hidden()
                } else {
                    mixture.own(&own, &ranking)
                };
                let is_changed = |item: usize| own.has(item);
                let rank = |&target: &usize| ranking.rank(&changed, is_changed, target).unwrap_or(f64::INFINITY);
                let ranks: Vec<f64> = targets.iter().map(rank).collect();
                *sum += Ranked::new(&ranks, asked.k).ndcg;
                steps.count(row.items().len() + before.len());
            }
            for &item in row.items() {
                scores[item as usize] = 0.0;
            }
        }
        sums
    });
    let mut sums = vec![0.0; candidates.len()];
    for shard in of_shards {
        sums.iter_mut().zip(shard).for_each(|(sum, one)| *sum += one);
    }
    sums
}
