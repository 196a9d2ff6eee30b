//! Laws of training: what may not change the result, and what must.

use footfall::baseline::own_history;
use footfall::evaluate::{self, Place};
use footfall::model::Model;
use footfall::network::Example;
use footfall::random::Random;
use footfall::sequence::{Dataset, Sequence, Tokens, Vocabulary};
use footfall::train::{EpochReport, Settings, Trainer};
use serde_json::json;
use std::time::Instant;

/// Histories in which the action after a "b" repeats the one before it: the
/// last action alone does not tell, so a network can beat first-order Markov.
fn dataset() -> Vec<u8> {
    let mut random = Random::new(5);
    let histories: Vec<Vec<u8>> = (0..120)
        .map(|_| {
            let mut tokens = vec![(random.below(2) * 2) as u8];
            for _ in 0..10 + random.below(10) {
                tokens.extend([1, tokens[tokens.len() - 1], (random.below(2) * 2) as u8]);
            }
            tokens
        })
        .collect();
    let vocabulary = Vocabulary::new(["a", "b", "c"].map(str::to_owned)).unwrap();
    let sequences = histories.iter().enumerate().map(|(user, tokens)| Sequence {
        tokens: Tokens::U8(tokens),
        n_train: if user % 5 == 0 { 0 } else { tokens.len() },
    });
    Dataset::pack(&vocabulary, sequences.collect()).unwrap()
}

fn settings(json: serde_json::Value) -> Settings {
    Settings::from_json(json).unwrap()
}

fn small() -> serde_json::Value {
    json!({"architecture": "gru", "embedding": 4, "hidden": 12, "epochs": 2, "batch_size": 8, "learning_rate": 0.02})
}

/// How a training is stopped after every window of steps.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    Never,
    /// It goes on with what it keeps.
    Pause,
    /// It goes on from bytes.
    Bytes,
}

/// Trains to the end; `stop_often` goes through bytes after every window of steps.
fn train(settings: Settings, threads: usize, stop_often: bool) -> (Vec<EpochReport>, Vec<u8>) {
    train_with(settings, threads, if stop_often { Stop::Bytes } else { Stop::Never })
}

fn train_with(settings: Settings, threads: usize, stop: Stop) -> (Vec<EpochReport>, Vec<u8>) {
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let mut trainer = Trainer::start(&dataset, settings, None).unwrap();
    let mut reports: Vec<EpochReport> = Vec::new();
    while reports.last().is_none_or(|report| !report.finished) {
        let until = (stop != Stop::Never).then(Instant::now);
        reports.extend(trainer.advance(&dataset, threads, until, &mut |_| ()).unwrap());
        // Nothing goes on from a finished run.
        if stop == Stop::Bytes && reports.last().is_none_or(|report| !report.finished) {
            trainer = Trainer::from_bytes(&trainer.to_bytes().unwrap()).unwrap();
        }
    }
    (reports, trainer.model().to_bytes(None).unwrap())
}

#[test]
fn threads_and_interruptions_leave_no_trace() {
    let mut with_dropout = small();
    with_dropout["layers"] = json!(2);
    with_dropout["dropout"] = json!(0.3);
    let (_, model) = train(settings(with_dropout.clone()), 1, false);
    assert_eq!(model, train(settings(with_dropout.clone()), 2, false).1);
    assert_eq!(model, train(settings(with_dropout.clone()), 4, true).1);
    assert_eq!(model, train_with(settings(with_dropout.clone()), 4, Stop::Pause).1);
    with_dropout["seed"] = json!(43);
    assert_ne!(model, train(settings(with_dropout), 1, false).1);
}

#[test]
fn a_stop_within_a_batch_leaves_no_trace() {
    for architecture in ["rnn", "gru", "lstm"] {
        for (layers, dropout) in [(1, 0.0), (2, 0.0), (2, 0.3)] {
            // Sequences of up to 58 steps; four shards, of which those behind wait while the first is under way.
            let cut = settings(
                json!({"architecture": architecture, "embedding": 4, "hidden": 5, "layers": layers,
                "dropout": dropout, "epochs": 2, "batch_size": 48, "max_length": 7, "class_weights": {"b": 3.0}}),
            );
            let (reports, model) = train(cut.clone(), 1, false);
            for threads in [1, 3] {
                for stop in [Stop::Pause, Stop::Bytes] {
                    let (its_reports, its_model) = train_with(cut.clone(), threads, stop);
                    assert_eq!(model, its_model, "{architecture}, {layers} layers, dropout {dropout}");
                    let losses =
                        |reports: &[EpochReport]| reports.iter().map(|report| report.train_loss).collect::<Vec<_>>();
                    assert_eq!(losses(&reports), losses(&its_reports));
                }
            }
        }
    }
}

/// Between two batches; with windows, whose states are carried.
#[test]
fn a_stop_leaves_no_trace_on_a_card() {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: the driver is emulated on Linux alone");
        return;
    }
    emulated_cuda::install();
    for architecture in ["rnn", "gru", "lstm"] {
        let cut = settings(
            json!({"architecture": architecture, "embedding": 4, "hidden": 5, "layers": 2, "dropout": 0.3, "epochs": 2,
            "batch_size": 48, "max_length": 20, "class_weights": {"b": 3.0}, "device": "cuda"}),
        );
        let on_cpu = Settings {
            device: "cpu".into(),
            ..cut.clone()
        };
        let (reports, model) = train(cut.clone(), 1, false);
        for stop in [Stop::Never, Stop::Pause, Stop::Bytes] {
            assert_eq!(model, train_with(cut.clone(), 2, stop).1, "{architecture}");
        }
        for (ours, theirs) in reports.iter().zip(train(on_cpu, 1, false).0) {
            assert!((ours.train_loss - theirs.train_loss).abs() < 1e-5, "{architecture}");
            let validation_losses = ours.validation_loss.zip(theirs.validation_loss);
            assert!(
                validation_losses.is_some_and(|(a, b)| (a - b).abs() < 1e-5),
                "{architecture}"
            );
        }
    }
}

/// A moment is a mean of gradients, or of their squares, none of which is longer than `gradient_clip`.
#[test]
fn moments_that_no_training_has_are_refused_as_such() {
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let mut trainer = Trainer::start(&dataset, settings(small()), None).unwrap();
    trainer.advance(&dataset, 1, None, &mut |_| ()).unwrap();
    let state = trainer.to_bytes().unwrap();
    for (moments, number, is_accepted) in [
        ("optimizer.exp_avg.rnn.weight_hh_l0", 4.9f32, true),
        ("optimizer.exp_avg.rnn.weight_hh_l0", -5.1, false),
        ("optimizer.exp_avg.rnn.weight_hh_l0", 1e38, false),
        ("optimizer.exp_avg_sq.rnn.weight_hh_l0", 24.9, true),
        ("optimizer.exp_avg_sq.rnn.weight_hh_l0", 25.1, false),
        ("optimizer.exp_avg_sq.rnn.weight_hh_l0", 1e38, false),
    ] {
        let edited = with_number(&state, moments, number);
        let read = Trainer::from_bytes(&edited)
            .map(|_| ())
            .map_err(|error| error.to_string());
        assert_eq!(read.is_ok(), is_accepted, "{moments}: {number}");
        let expected = "the moments of its weights are beyond those of any training with gradient_clip 5";
        assert!(
            read.is_ok() || read.unwrap_err().contains(expected),
            "{moments}: {number}"
        );
    }
}

/// The bytes with another number at the beginning of a tensor.
fn with_number(bytes: &[u8], tensor: &str, number: f32) -> Vec<u8> {
    let n_header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n_header]).unwrap();
    let place = 8 + n_header + header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    let mut edited = bytes.to_vec();
    edited[place..place + 4].copy_from_slice(&number.to_le_bytes());
    edited
}

#[test]
fn a_state_within_a_batch_is_refused_with_other_data() {
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let cut = settings(json!({"hidden": 5, "batch_size": 48, "max_length": 7}));
    let mut trainer = Trainer::start(&dataset, cut, None).unwrap();
    assert_eq!(
        trainer.advance(&dataset, 1, Some(Instant::now()), &mut |_| ()).unwrap(),
        None
    );
    let tokens = [0, 1, 2, 0, 1];
    let sequences = (0..40)
        .map(|_| Sequence {
            tokens: Tokens::U8(&tokens),
            n_train: 5,
        })
        .collect();
    let other = Dataset::pack(dataset.vocabulary(), sequences).unwrap();
    let error = trainer.advance(&Dataset::from_bytes(&other).unwrap(), 1, None, &mut |_| ());
    assert_eq!(
        error.unwrap_err().to_string(),
        "the batch that was left unfinished is another"
    );
}

/// A run on `device`: its validation loss, and what its model expects after every prefix.
fn learn(device: &str) -> (f64, Vec<f32>) {
    let mut longer = small();
    longer["epochs"] = json!(12);
    longer["device"] = json!(device);
    let (reports, model) = train(settings(longer), 2, false);
    let last = reports.last().unwrap();
    assert_eq!(reports.len(), 12);
    // In two of three steps the answer is certain; the third is a coin. Knowing the order costs
    // ln 2 / 3 = 0.231; the last action alone leaves 0.69 after "b" and more after the others.
    assert!(last.validation_loss.unwrap() < 0.3, "{device}: {last:?}");
    assert!(last.markov_loss.unwrap() > 0.6, "{device}: {last:?}");
    assert!(last.majority_loss > last.markov_loss);
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let model = Model::from_bytes(&model).unwrap();
    assert_eq!(model.training.device, device);
    let engine = footfall::device::engine(device, model.architecture).unwrap();
    let own_history = own_history::Predictor::new(model.own_history, &model.counts);
    let network = evaluate::Unprepared {
        engine: engine.as_ref(),
        parameters: &model.parameters,
    };
    let piece = evaluate::Piece::score(&dataset, &network, &own_history, &mut Place::default(), 1).unwrap();
    let [network, baseline] = evaluate::scored(&dataset, std::iter::once(&piece.to_bytes()[..]), 1)
        .unwrap()
        .unwrap();
    let (report, own_history_loss) = (network.report, baseline.report.log_loss);
    assert!(
        (own_history_loss - last.own_history_loss.unwrap()).abs() < 1e-12,
        "{device}"
    );
    assert_eq!(Some(report.log_loss), last.validation_loss);
    assert_eq!(Some(report.log_loss), model.training.validation_loss);
    let prefixes = Example {
        tokens: dataset.sequence(0).tokens.slice(..12),
        first_target: 1,
        key: 0,
    };
    (
        last.validation_loss.unwrap(),
        engine.probabilities(&model.parameters, &[prefixes], false, 1).unwrap(),
    )
}

#[test]
fn a_network_learns_what_counting_cannot_on_every_device() {
    emulated_cuda::install();
    let (loss, probabilities) = learn("cpu");
    let devices = footfall::device::available();
    assert!(devices.contains(&"cuda".to_owned()) || !cfg!(target_os = "linux"));
    for device in devices {
        let (its_loss, its_probabilities) = learn(&device);
        // Rounding differs between devices, and twelve epochs multiply it.
        assert!((its_loss - loss).abs() < 0.01, "{device}: {its_loss}, cpu: {loss}");
        for (p, q) in its_probabilities.iter().zip(&probabilities) {
            assert!((p - q).abs() < 0.05, "{device}: {p}, cpu: {q}");
        }
    }
}

#[test]
fn patience_stops_a_run_that_gets_no_better() {
    let mut hasty = small();
    hasty["epochs"] = json!(500);
    hasty["patience"] = json!(1);
    hasty["learning_rate"] = json!(0.5);
    let (reports, _) = train(settings(hasty), 1, false);
    assert!(reports.len() < 500);
    let (last, before) = (&reports[reports.len() - 1], &reports[..reports.len() - 1]);
    assert!(
        before
            .iter()
            .any(|report| report.validation_loss <= last.validation_loss)
    );
}

#[test]
fn a_model_can_be_continued() {
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let (reports, model) = train(settings(small()), 1, false);
    let first = Model::from_bytes(&model).unwrap();
    let mut trainer = Trainer::start(&dataset, settings(json!({"epochs": 1})), Some(first.clone())).unwrap();
    assert_eq!(trainer.model().parameters, first.parameters);
    let report = trainer.advance(&dataset, 1, None, &mut |_| ()).unwrap().unwrap();
    assert_eq!((report.epoch, trainer.model().training.epochs), (1, 3));
    assert!(report.train_loss < reports[0].train_loss);
    let other = Trainer::start(&dataset, settings(json!({"hidden": 5})), Some(first));
    assert!(other.err().unwrap().to_string().contains("'hidden'"));
}

#[test]
fn nothing_to_train_on_is_an_error() {
    let vocabulary = Vocabulary::new(["a".to_owned()]).unwrap();
    let bytes = Dataset::pack(
        &vocabulary,
        vec![Sequence {
            tokens: Tokens::U8(&[0, 0, 0]),
            n_train: 0,
        }],
    )
    .unwrap();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    assert!(
        Trainer::start(&dataset, Settings::default(), None)
            .err()
            .unwrap()
            .to_string()
            .contains("no training sequence")
    );
}

#[test]
fn a_missing_device_is_an_error_before_the_first_batch() {
    // All tests of this process have one driver, whichever asks first.
    emulated_cuda::install();
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let start = |device: &str| Trainer::start(&dataset, settings(json!({"device": device})), None).map(|_| ());
    assert!(start("tpu").unwrap_err().to_string().contains("'cpu', 'cuda'"));
    if !footfall::device::available().contains(&"cuda".to_owned()) {
        assert!(start("cuda").unwrap_err().to_string().contains("device 'cuda'"));
    }
}

#[test]
fn every_batch_is_observed() {
    let bytes = dataset();
    let dataset = Dataset::from_bytes(&bytes).unwrap();
    let mut trainer = Trainer::start(&dataset, settings(small()), None).unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let report = trainer
            .advance(&dataset, 1, None, &mut |progress| seen.push(progress))
            .unwrap()
            .unwrap();
        assert_eq!(seen.last().unwrap().train_loss, report.train_loss);
    }
    // 96 of 120 users train, eight at a time.
    let places: Vec<_> = seen.iter().map(|progress| (progress.epoch, progress.batch)).collect();
    let expected: Vec<_> = (1..=2)
        .flat_map(|epoch| (1..=12).map(move |batch| (epoch, batch)))
        .collect();
    assert_eq!(places, expected);
    assert!(
        seen.iter()
            .all(|progress| (progress.epochs, progress.n_batches) == (2, 12))
    );
    assert!(seen.windows(2).all(|pair| pair[0].seconds <= pair[1].seconds));
}
