//! The baselines that have few distributions, scored.

use super::evaluation::Evaluation;
use super::sample::{SAMPLE_SEED, Sample, held_out, is_kept};
use super::validation::Tally;
use crate::baseline::{Baseline, Counts, Predictor};
use crate::metrics::{self, Area, Counted, log_probability};
use crate::sequence::{Dataset, Sequence, Token};

/// The number of the distribution that a baseline gives before each held-back target of a history, and the target.
fn places<'a>(predictor: &'a Predictor, sequence: Sequence<'a>) -> impl Iterator<Item = (usize, Token)> + Clone + 'a {
    let tokens = sequence.tokens;
    let place = move |position| (predictor.place_before(tokens, position), tokens.at(position));
    (sequence.first_held_out()..tokens.len()).map(place)
}

/// Scores a baseline; `None` when nothing is held back.
///
/// A baseline has few distributions, so the targets after each are counted. The standard errors of the areas are
/// those of a sample of histories where there are as many targets as in a [`Piece`](super::Piece) with one.
pub fn baseline(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Option<Evaluation> {
    let predictor = Predictor::new(baseline, counts);
    let n_actions = predictor.n_actions();
    let costs: Vec<f64> = predictor.rows().iter().map(|&p| -log_probability(p)).collect();
    let sample = Sample::new(dataset, SAMPLE_SEED);
    let mut targets = vec![0; predictor.rows().len()];
    let (mut losses, mut kept, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for (index, sequence) in held_out(dataset) {
        let places = places(&predictor, sequence);
        let mut loss = 0.0;
        for (place, target) in places.clone() {
            targets[place * n_actions + target.index()] += 1;
            loss += costs[place * n_actions + target.index()];
        }
        losses.push(loss);
        if let Some(stride) = sample.stride(index as u64) {
            let n_before = kept.len();
            let positions = sequence.first_held_out()..;
            let sampled = positions
                .zip(places)
                .filter(|&(position, _)| is_kept(Some(stride), position));
            kept.extend(sampled.map(|(_, place)| place));
            lengths.push(kept.len() - n_before);
        }
    }
    let mut tally = metrics::Tally::new(n_actions);
    let rows = predictor.rows().chunks_exact(n_actions);
    for (row, targets) in rows.zip(targets.chunks_exact(n_actions)) {
        for (target, &n) in (0..).zip(targets) {
            tally.add(row, Token(target), n);
        }
    }
    let expansion = losses.len() as f64 / lengths.len() as f64;
    let counted = Counted::new(predictor.rows(), &targets, n_actions);
    let area = |action| -> Option<Area> {
        let mut area = counted.area(action)?;
        let mut rest = &kept[..];
        for &length in &lengths {
            let (history, others) = rest.split_at(length);
            area.add(history);
            rest = others;
        }
        Some(area.area(expansion))
    };
    let areas: Vec<_> = (0..n_actions).map(area).collect();
    tally.report(&areas).map(|report| Evaluation { report, losses })
}

/// Loss and hits of a baseline, without the memory that the rest of a [`Report`](crate::metrics::Report) takes.
pub fn tally(dataset: &Dataset, counts: &Counts, baseline: Baseline) -> Tally {
    let predictor = Predictor::new(baseline, counts);
    let mut tally = Tally::default();
    for (place, target) in dataset.sequences().flat_map(|sequence| places(&predictor, sequence)) {
        tally.add(predictor.row(place), target);
    }
    tally
}
