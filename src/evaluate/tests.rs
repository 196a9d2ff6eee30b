use super::place::{BLOCK, BLOCK_STEPS, Block};
use super::*;
use crate::baseline::{Baseline, Counts, own_history};
use crate::metrics::{log_probability, mean_auc};
use crate::network::{Architecture, Cell, Fused};
use crate::network::{Engine, Example};
use crate::random;
use crate::sequence::Vocabulary;
use crate::sequence::{Dataset, Sequence, Tokens};
use std::time::Instant;

/// `n` histories of `length` random actions of two kinds, all held back.
fn packed(n: usize, length: usize) -> Vec<u8> {
    let mut random = random::Random::new(3);
    let histories: Vec<Vec<u8>> = (0..n)
        .map(|_| (0..length).map(|_| random.below(2) as u8).collect())
        .collect();
    let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
    let sequences = histories.iter().map(|tokens| Sequence {
        tokens: Tokens::U8(tokens),
        n_train: 0,
    });
    Dataset::pack(&vocabulary, sequences.collect()).unwrap()
}

fn engine() -> Fused {
    engine_of(Cell::Rnn, 2, 1)
}

fn engine_of(cell: Cell, hidden: usize, layers: usize) -> Fused {
    Fused::new(Architecture {
        cell,
        vocabulary: 2,
        embedding: 1,
        hidden,
        layers,
        dropout: 0.0,
    })
    .unwrap()
}

/// Validates with a stop after every `until`, and the number of stops.
fn validate(dataset: &Dataset, engine: &Fused, until: Option<Instant>) -> (Validation, usize) {
    let (mut validation, mut n_stops) = (Validation::default(), 0);
    let parameters = &engine.architecture().initial_parameters(1);
    let network = Unprepared { engine, parameters };
    while !validation.advance(dataset, &network, 7, 2, until).unwrap() {
        n_stops += 1;
    }
    (validation, n_stops)
}

fn own_history() -> own_history::Predictor {
    let weights = own_history::Weights {
        decay: 0.5,
        pseudo_counts: 2.0,
    };
    own_history::Predictor::new(weights, &Counts::of(2, std::iter::empty()))
}

/// The evaluations of the network and of the baseline on the pieces of a dataset.
fn evaluated(dataset: &Dataset, engine: &Fused, parameters: &[f32]) -> ([Evaluation; 2], usize) {
    let (mut pieces, mut place) = (Vec::new(), Place::default());
    let network = engine.prepare(parameters).unwrap();
    while place.next < dataset.len() {
        let piece = Piece::score(dataset, &network, &own_history(), &mut place, 2).unwrap();
        pieces.push(piece.to_bytes());
        place = Place::from_bytes(place.next, &place.to_bytes()).unwrap();
    }
    let all = || pieces.iter().map(Vec::as_slice);
    assert!(scored(dataset, all().skip(1), 1).is_err());
    assert!(scored(dataset, all().map(|bytes| &bytes[1..]), 1).is_err());
    assert!(scored(dataset, all().map(|bytes| &bytes[..bytes.len() - 4]), 1).is_err());
    (scored(dataset, all(), 2).unwrap().unwrap(), pieces.len())
}

/// The loss of every history, each given to the network alone and in one.
fn losses_one_by_one(dataset: &Dataset, engine: &Fused, parameters: &[f32]) -> Vec<f64> {
    let loss = |sequence: Sequence| {
        let example = Example {
            tokens: sequence.tokens,
            first_target: sequence.first_held_out(),
            key: 0,
        };
        let rows = engine.probabilities(parameters, &[example], false, 1).unwrap();
        let targets = rows.chunks_exact(2).zip(sequence.tokens.slice(example.first_target..));
        targets.fold(0.0, |sum, (row, target)| sum - log_probability(row[target.index()]))
    };
    dataset.sequences().map(loss).collect()
}

#[test]
fn a_validation_in_pieces_is_the_evaluation_in_one() {
    let bytes = packed(3 * BLOCK + 5, 6);
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let (whole, _) = validate(&dataset, &engine(), None);
    let (pieces, n_stops) = validate(&dataset, &engine(), Some(Instant::now()));
    assert_eq!(n_stops, 4);
    assert_eq!(whole, pieces);
    let parameters = engine().architecture().initial_parameters(1);
    let ([Evaluation { report, losses }, own], _) = evaluated(&dataset, &engine(), &parameters);
    assert_eq!(losses, losses_one_by_one(&dataset, &engine(), &parameters));
    assert!((own.report.log_loss - own_history().log_loss(&dataset).unwrap()).abs() < 1e-12);
    assert_eq!(whole.tally.log_loss(), Some(report.log_loss));
    assert_eq!(whole.tally.accuracy(), Some(report.accuracy));
    assert_eq!(whole.auc(2), report.auc);
}

/// Histories of which some are longer than a block, one of them held back from its middle on.
fn packed_long() -> Vec<u8> {
    let mut random = random::Random::new(4);
    let histories: Vec<(Vec<u8>, usize)> = [
        (5, 0),
        (80_000, 0),
        (7, 0),
        (90_000, 40_000),
        (100_000, 100_000),
        (3, 0),
    ]
    .map(|(length, n_train)| ((0..length).map(|_| random.below(2) as u8).collect(), n_train))
    .into();
    let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
    let sequences = histories.iter().map(|&(ref tokens, n_train)| Sequence {
        tokens: Tokens::U8(tokens),
        n_train,
    });
    Dataset::pack(&vocabulary, sequences.collect()).unwrap()
}

#[test]
fn a_stop_within_a_history_leaves_no_trace() {
    let bytes = packed_long();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    for engine in [engine_of(Cell::Gru, 2, 2), engine_of(Cell::Lstm, 2, 1)] {
        let parameters = engine.architecture().initial_parameters(1);
        let (whole, _) = validate(&dataset, &engine, None);
        let (pieces, n_stops) = validate(&dataset, &engine, Some(Instant::now()));
        // Each of the long histories is three blocks, and between them are at most three more.
        assert!((6..=9).contains(&n_stops), "{n_stops}");
        assert_eq!(whole, pieces);
        let ([Evaluation { report, losses }, own], n_pieces) = evaluated(&dataset, &engine, &parameters);
        assert_eq!(
            (whole.tally.log_loss(), whole.auc(2)),
            (Some(report.log_loss), report.auc)
        );
        assert_eq!(n_pieces, 1);
        assert!((own.report.log_loss - own_history().log_loss(&dataset).unwrap()).abs() < 1e-12);
        assert_losses(&losses, &losses_one_by_one(&dataset, &engine, &parameters));
    }
}

/// The sums of parts differ in rounding from those of the whole.
fn assert_losses(losses: &[f64], expected: &[f64]) {
    let expected: Vec<f64> = expected.iter().copied().filter(|&loss| loss > 0.0).collect();
    assert_eq!(losses.len(), expected.len());
    for (loss, expected) in losses.iter().zip(expected) {
        assert!((loss / expected - 1.0).abs() < 1e-9, "{loss}, {expected}");
    }
}

#[test]
fn a_piece_may_end_within_a_history() {
    let tokens: Vec<u8> = (0..100_000u32)
        .map(|position| (position.count_ones() % 2) as u8)
        .collect();
    let vocabulary = Vocabulary::new(["a", "b"].map(str::to_owned)).unwrap();
    let sequences = [(&tokens[..], 0), (&[1, 1, 1][..], 0)].map(|(tokens, n_train)| Sequence {
        tokens: Tokens::U8(tokens),
        n_train,
    });
    let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    // 66 thousand weights times 65 thousand steps, each counted four times, are a piece.
    let engine = engine_of(Cell::Rnn, 256, 1);
    let parameters = engine.architecture().initial_parameters(1);
    let ([Evaluation { report, losses }, own], n_pieces) = evaluated(&dataset, &engine, &parameters);
    assert_eq!((n_pieces, report.n, own.report.n), (2, 100_001, 100_001));
    assert_losses(&losses, &losses_one_by_one(&dataset, &engine, &parameters));
    let mut place = Place::default();
    let mut parts = Losses::default();
    while place.next < dataset.len() {
        let part = Losses::of(&dataset, &engine.prepare(&parameters).unwrap(), &mut place, 1).unwrap();
        parts.extend(&part.to_bytes()).unwrap();
    }
    assert_eq!(parts.0.iter().map(|&(_, loss)| loss).collect::<Vec<_>>(), losses);
}

/// By hand: losses of 1, 2 and 6 against 2, 2 and 2 on 1, 2 and 3 targets.
#[test]
fn a_comparison_is_that_of_a_ratio() {
    let vocabulary = Vocabulary::new(["a".to_owned()]).unwrap();
    let histories = [&[0u8; 2][..], &[0; 3], &[0; 4]];
    let sequences = histories.map(|tokens| Sequence {
        tokens: Tokens::U8(tokens),
        n_train: 0,
    });
    let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let losses = |of: [f64; 3]| Losses((0..).zip(of).collect()).to_bytes();
    let (a, b) = (losses([1.0, 2.0, 6.0]), losses([2.0, 2.0, 2.0]));
    let comparison = compare((&dataset, [&a[..]]), (&dataset, [&b[..16], &b[16..]]))
        .unwrap()
        .unwrap();
    // Differences -1, 0 and 4, the mean 0.5 a target; residuals -1.5, -1 and 2.5.
    let standard_error = (9.5f64 * 3.0 / 2.0).sqrt() / 6.0;
    let expected = Comparison {
        log_loss_a: 1.5,
        log_loss_b: 1.0,
        difference: Difference {
            mean: 0.5,
            standard_error: Some(standard_error),
        },
        n_histories: 3,
        n_targets: 6,
    };
    assert_eq!(comparison, expected);
    assert!(compare((&dataset, [&a[..16]]), (&dataset, [&b[..]])).is_err());
    assert!(compare((&dataset, [&a[..17]]), (&dataset, [&b[..]])).is_err());
    assert!(compare((&dataset, [&b[16..], &b[..16]]), (&dataset, [&b[..]])).is_err());
    let sequences = [&[0u8; 2][..], &[0; 3], &[0; 5]].map(|tokens| Sequence {
        tokens: Tokens::U8(tokens),
        n_train: 0,
    });
    let longer = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
    let longer = Dataset::from_bytes(&longer).unwrap();
    assert!(compare((&dataset, [&a[..]]), (&longer, [&b[..]])).is_err());
}

#[test]
fn a_place_of_other_histories_is_refused() {
    let bytes = packed_long();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let parameters = engine().architecture().initial_parameters(1);
    let long = (0..dataset.len())
        .find(|&index| dataset.sequence(index).tokens.len() == 80_000)
        .unwrap();
    let score = |next, n_fed: u64, n_state: usize| {
        let sizes = [n_fed.to_le_bytes(), 4u64.to_le_bytes()].concat();
        let seen = [1.0, 0.0, 0.0, 0.0f64].map(f64::to_le_bytes).concat();
        let state = [&sizes[..], &seen, &vec![0u8; 4 * n_state]].concat();
        let mut place = Place::from_bytes(next, &state)?;
        let network = engine().prepare(&parameters).unwrap();
        Piece::score(&dataset, &network, &own_history(), &mut place, 1).map(|_| ())
    };
    assert!(score(long, 100, 2).is_ok());
    assert!(score(long, 79_999, 2).is_err());
    assert!(score(long, 100, 3).is_err());
    assert!(score(0, 2, 2).is_err() || dataset.sequence(0).tokens.len() > BLOCK_STEPS / ALONE);
    assert!(Place::from_bytes(0, &[1, 2]).is_err());
}

/// By hand: means of 2 and 3 nats, however many targets each history has.
#[test]
fn each_user_counts_once_in_the_mean_user_loss() {
    let vocabulary = Vocabulary::new(["a".to_owned()]).unwrap();
    let sequences = [&[0u8; 2][..], &[0; 101]].map(|tokens| Sequence {
        tokens: Tokens::U8(tokens),
        n_train: 0,
    });
    let bytes = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let mut evaluation = baseline(&dataset, &Counts::of(1, std::iter::empty()), Baseline::Majority).unwrap();
    evaluation.losses = vec![2.0, 300.0];
    assert_eq!(evaluation.mean_user_loss(&dataset), 2.5);
}

/// One history may be more than the sample is to hold; of some of them none may fall below their share.
#[test]
fn a_sample_holds_at_least_a_part_of_a_history() {
    for n in [1, 2] {
        let bytes = packed(n, KEPT_PROBABILITIES);
        let dataset = Dataset::from_bytes(&bytes).unwrap();
        let (validation, _) = validate(&dataset, &engine(), None);
        let kept = validation.probabilities.len();
        assert!(
            (KEPT_PROBABILITIES / 2..=n * KEPT_PROBABILITIES).contains(&kept),
            "{n}: {kept}"
        );
        let parameters = engine().architecture().initial_parameters(1);
        let ([network, own], _) = evaluated(&dataset, &engine(), &parameters);
        let counts = Counts::of(2, std::iter::empty());
        let markov = baseline(&dataset, &counts, Baseline::Markov1).unwrap();
        for report in [network, own, markov].map(|evaluation| evaluation.report) {
            assert!(
                report.auc.is_some_and(|auc| (0.4..0.6).contains(&auc)),
                "{n}: {:?}",
                report.auc
            );
        }
    }
}

#[test]
fn the_auc_of_many_targets_is_that_of_a_sample() {
    let bytes = packed(4000, 1001);
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let (validation, _) = validate(&dataset, &engine(), None);
    let kept = validation.probabilities.len() as f64;
    assert!((kept / KEPT_PROBABILITIES as f64 - 1.0).abs() < 0.05, "{kept}");
    let parameters = engine().architecture().initial_parameters(1);
    let ([Evaluation { report, .. }, _], _) = evaluated(&dataset, &engine(), &parameters);
    assert_eq!(validation.tally.log_loss(), Some(report.log_loss));
    let (mut probabilities, mut targets, mut place) = (Vec::new(), Vec::new(), Place::default());
    let network = engine().prepare(&parameters).unwrap();
    while place.next < dataset.len() {
        let block = place.advance(&dataset, &network, 2).unwrap();
        let Block {
            examples,
            probabilities: rows,
            ..
        } = block;
        probabilities.extend(rows);
        targets.extend(
            examples
                .iter()
                .flat_map(|example| example.tokens.slice(example.first_target..)),
        );
    }
    let all = mean_auc(&probabilities, &targets, 2).unwrap();
    for sampled in [validation.auc(2).unwrap(), report.auc.unwrap()] {
        assert!((sampled - all).abs() < 1e-3, "{sampled}, {all}");
    }
}
