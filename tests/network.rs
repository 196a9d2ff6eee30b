//! The engines against PyTorch's recorded values, against each other and against
//! finite differences; what they answer at the edges and what they refuse.

use candle_core::Device;
use footfall::error::Error;
use footfall::network::{Architecture, Cell, Engine, Example, Fused, Gpu, LossSum, Plain, Reader, Step, Wanted};
use footfall::random::Random;
use footfall::sequence::{Token, TokenList, Tokens};
use safetensors::SafeTensors;

const CELLS: [(Cell, &str); 3] = [(Cell::Rnn, "rnn"), (Cell::Gru, "gru"), (Cell::Lstm, "lstm")];

const EVALUATION: Step = Step {
    class_weights: None,
    dropout_seed: None,
    window: 1000,
    threads: 1,
};

/// Every engine for an architecture, with its name; that of a GPU where its driver can be emulated, or the environment names one.
fn engines(architecture: Architecture) -> Vec<(&'static str, Box<dyn Engine>)> {
    let plain: Box<dyn Engine> = Box::new(Plain::new(architecture, Device::Cpu).unwrap());
    let fused = Fused::variants(architecture).unwrap().into_iter();
    let fused = fused.map(|engine| (engine.instructions(), Box::new(engine) as Box<dyn Engine>));
    let gpu = emulated(architecture).map(|engine| ("cuda", Box::new(engine) as Box<dyn Engine>));
    [("plain", plain)].into_iter().chain(fused).chain(gpu).collect()
}

/// The kernels for a GPU behind an emulated driver.
fn emulated(architecture: Architecture) -> Option<Gpu> {
    if !cfg!(target_os = "linux") {
        println!("SKIPPED cuda: its driver is emulated on Linux alone");
        return None;
    }
    emulated_cuda::install();
    Some(Gpu::new(architecture).unwrap())
}

fn architecture(cell: Cell, hidden: usize, layers: usize) -> Architecture {
    Architecture {
        cell,
        vocabulary: 5,
        embedding: 3,
        hidden,
        layers,
        dropout: 0.0,
    }
}

/// Loss sums and gradient of one step from a zero gradient.
fn train(
    engine: &dyn Engine,
    parameters: &[f32],
    batch: &[Example],
    step: &Step,
) -> Result<(LossSum, Vec<f32>), Error> {
    let mut gradient = vec![0.0; parameters.len()];
    let sum = add_gradient(engine, parameters, batch, step, &mut gradient)?;
    Ok((sum, gradient))
}

/// A step in one go.
fn add_gradient(
    engine: &dyn Engine,
    parameters: &[f32],
    batch: &[Example],
    step: &Step,
    gradient: &mut [f32],
) -> Result<LossSum, Error> {
    let sum = engine.gradient_until(None, parameters, batch, step, &mut None, gradient)?;
    Ok(sum.expect("no time to stop at"))
}

/// The distribution after each sequence of one token or more.
fn predict(engine: &dyn Engine, parameters: &[f32], sequences: &[Tokens]) -> Result<Vec<f32>, Error> {
    let last = sequences.iter().map(|&tokens| Example {
        tokens,
        first_target: tokens.len(),
        key: 0,
    });
    engine.probabilities(parameters, &last.collect::<Vec<_>>(), true, 2)
}

/// Within 1e-5, absolutely up to 1 and relatively above.
fn assert_close(context: &str, actual: &[f32], expected: &[f32]) {
    assert_eq!(actual.len(), expected.len(), "{context}");
    for (index, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (a - e).abs() <= 1e-5 * e.abs().max(1.0),
            "{context}: {a} instead of {e} at {index}"
        );
    }
}

fn assert_sums_close(context: &str, actual: LossSum, expected: LossSum) {
    for (a, e) in [(actual.loss, expected.loss), (actual.weight, expected.weight)] {
        assert!(
            (a - e).abs() <= 1e-5 * e.abs().max(1.0),
            "{context}: {actual:?} instead of {expected:?}"
        );
    }
}

/// `n` sequences of 1 to `longest` random tokens.
fn random_sequences(n: usize, vocabulary: usize, longest: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random::new(seed);
    let mut sequence = |_| {
        let length = 1 + random.below(longest as u64);
        (0..length).map(|_| random.below(vocabulary as u64) as u8).collect()
    };
    (0..n).map(&mut sequence).collect()
}

fn examples(sequences: &[Vec<u8>]) -> Vec<Example<'_>> {
    sequences
        .iter()
        .zip(0..)
        .map(|(tokens, key)| Example {
            tokens: Tokens::U8(tokens),
            first_target: 1,
            key,
        })
        .collect()
}

/// Values recorded by `recorded/network.py`.
struct Recorded(SafeTensors<'static>);

impl Recorded {
    fn read() -> Self {
        Recorded(SafeTensors::deserialize(include_bytes!("recorded/network.safetensors")).unwrap())
    }

    fn values<const BYTES: usize, T>(&self, name: &str, read: fn([u8; BYTES]) -> T) -> Vec<T> {
        let data = self.0.tensor(name).unwrap().data();
        data.chunks_exact(BYTES)
            .map(|bytes| read(bytes.try_into().unwrap()))
            .collect()
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        self.values(name, f32::from_le_bytes)
    }

    fn sums(&self, name: &str) -> LossSum {
        let sums = self.values(name, f64::from_le_bytes);
        LossSum {
            loss: sums[0],
            weight: sums[1],
        }
    }

    fn examples(&self) -> Vec<Example<'static>> {
        let mut tokens: &'static [u8] = self.0.tensor("tokens").unwrap().data();
        let lengths = self.values("lengths", u32::from_le_bytes);
        let first_targets = self.values("first_targets", u32::from_le_bytes);
        lengths
            .into_iter()
            .zip(first_targets)
            .map(|(length, first_target)| {
                let (sequence, rest) = tokens.split_at(length as usize);
                tokens = rest;
                Example {
                    tokens: Tokens::U8(sequence),
                    first_target: first_target as usize,
                    key: 0,
                }
            })
            .collect()
    }
}

#[test]
fn losses_gradients_and_probabilities_are_pytorchs() {
    let recorded = Recorded::read();
    let batch = recorded.examples();
    let class_weights = recorded.floats("class_weights");
    for (cell, cell_name) in CELLS {
        for layers in 1..=3 {
            let name = format!("{cell_name}{layers}");
            let parameters = recorded.floats(&format!("{name}.parameters"));
            for (engine_name, engine) in engines(architecture(cell, if layers == 1 { 18 } else { 6 }, layers)) {
                for (suffix, class_weights) in [("", None), (".weighted", Some(&class_weights[..]))] {
                    let context = format!("{engine_name} {name}{suffix}");
                    let step = Step {
                        class_weights,
                        ..EVALUATION
                    };
                    let (sum, gradient) = train(&*engine, &parameters, &batch, &step).unwrap();
                    assert_sums_close(&context, sum, recorded.sums(&format!("{name}{suffix}.sums")));
                    assert_close(
                        &context,
                        &gradient,
                        &recorded.floats(&format!("{name}{suffix}.gradient")),
                    );
                }
                let probabilities = engine.probabilities(&parameters, &batch, true, 1).unwrap();
                let expected = recorded.floats(&format!("{name}.probabilities"));
                assert_close(&format!("{engine_name} {name}"), &probabilities, &expected);
            }
        }
    }
}

#[test]
fn gradients_are_finite_differences() {
    let sequences = random_sequences(4, 5, 6, 1);
    let batch = examples(&sequences);
    for (cell, name) in CELLS {
        let architecture = Architecture {
            dropout: 0.25,
            ..architecture(cell, 4, 2)
        };
        let parameters = architecture.initial_parameters(3);
        for (engine_name, engine) in engines(architecture) {
            for dropout_seed in [None, Some(5)] {
                let step = Step {
                    dropout_seed,
                    ..EVALUATION
                };
                let (_, gradient) = train(&*engine, &parameters, &batch, &step).unwrap();
                let loss = |index: usize, by: f32| {
                    let mut moved = parameters.clone();
                    moved[index] += by;
                    train(&*engine, &moved, &batch, &step).unwrap().0.loss
                };
                // Every third parameter: some of every tensor.
                for (index, &slope) in gradient.iter().enumerate().step_by(3) {
                    let difference = (loss(index, 0.01) - loss(index, -0.01)) / 0.02;
                    assert!(
                        (difference - f64::from(slope)).abs() < 1e-3 * difference.abs().max(1.0),
                        "{engine_name} {name} {dropout_seed:?}: {slope} instead of {difference} at {index}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_window_changes_gradients_but_not_the_loss() {
    let sequences = random_sequences(6, 5, 30, 2);
    let batch = examples(&sequences);
    for (cell, name) in CELLS {
        let architecture = Architecture {
            dropout: 0.3,
            ..architecture(cell, 7, 2)
        };
        let parameters = architecture.initial_parameters(4);
        for (engine_name, engine) in engines(architecture) {
            let whole = train(
                &*engine,
                &parameters,
                &batch,
                &Step {
                    dropout_seed: Some(1),
                    ..EVALUATION
                },
            )
            .unwrap();
            let step = Step {
                dropout_seed: Some(1),
                window: 7,
                ..EVALUATION
            };
            let cut = train(&*engine, &parameters, &batch, &step).unwrap();
            assert_sums_close(&format!("{engine_name} {name}"), cut.0, whole.0);
            let largest = whole
                .1
                .iter()
                .zip(&cut.1)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(
                largest > 1e-3,
                "{engine_name} {name}: a window of 7 changed no gradient"
            );
        }
    }
}

#[test]
fn a_gradient_is_added_to() {
    let sequences = random_sequences(3, 5, 9, 2);
    let batch = examples(&sequences);
    let architecture = architecture(Cell::Gru, 5, 1);
    let parameters = architecture.initial_parameters(4);
    for (name, engine) in engines(architecture) {
        let (_, once) = train(&*engine, &parameters, &batch, &EVALUATION).unwrap();
        let mut twice = once.clone();
        add_gradient(&*engine, &parameters, &batch, &EVALUATION, &mut twice).unwrap();
        assert_close(name, &twice, &once.iter().map(|x| 2.0 * x).collect::<Vec<_>>());
    }
}

#[test]
fn advance_and_predict_equal_the_last_probabilities() {
    let sequences = random_sequences(20, 5, 40, 6);
    let tokens: Vec<Tokens> = sequences.iter().map(|tokens| Tokens::U8(tokens)).collect();
    let last: Vec<Example> = tokens
        .iter()
        .map(|&tokens| Example {
            tokens,
            first_target: tokens.len(),
            key: 0,
        })
        .collect();
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 20, 2);
        let parameters = architecture.initial_parameters(8);
        for (engine_name, engine) in engines(architecture) {
            let expected = engine.probabilities(&parameters, &last, true, 1).unwrap();
            for (sequence, expected) in tokens.iter().zip(expected.chunks(5)) {
                let mut state = vec![0.0; architecture.n_state()];
                let mut probabilities = Vec::new();
                for position in 0..sequence.len() {
                    let token = sequence.slice(position..=position);
                    probabilities = engine.feed(&parameters, &mut state, token, 0).unwrap();
                }
                assert_close(&format!("{engine_name} {name}"), &probabilities, expected);
            }
        }
        for engine in Fused::variants(architecture).unwrap() {
            let expected = engine.probabilities(&parameters, &last, true, 1).unwrap();
            let prepared = engine.prepare(&parameters).unwrap();
            assert_eq!(prepared.predict(&tokens, 2).unwrap(), expected, "{name}");
            for (sequence, expected) in tokens.iter().zip(expected.chunks(5)) {
                let mut state = vec![0.0; architecture.n_state()];
                let (mut probabilities, mut again) = (vec![0.0; 5], vec![0.0; 5]);
                for token in *sequence {
                    prepared.advance(&mut state, token, &mut probabilities).unwrap();
                }
                assert_eq!(probabilities, expected, "{name}");
                prepared.read_out(&state, &mut again).unwrap();
                assert_eq!(again, expected, "{name}");
            }
        }
    }
}

#[test]
fn a_sequence_fed_in_pieces_gets_the_same_probabilities() {
    let sequence = &random_sequences(1, 5, 200, 6)[0][..];
    let example = Example {
        tokens: Tokens::U8(sequence),
        first_target: 3,
        key: 0,
    };
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 20, 2);
        let parameters = architecture.initial_parameters(8);
        for (engine_name, engine) in engines(architecture) {
            let expected = engine.probabilities(&parameters, &[example], true, 1).unwrap();
            let mut state = vec![0.0; architecture.n_state()];
            let mut rows = Vec::new();
            for (piece, tokens) in sequence.chunks(71).enumerate() {
                let n_read = if piece == 0 { 2 } else { 0 };
                rows.extend(
                    engine
                        .feed(&parameters, &mut state, Tokens::U8(tokens), n_read)
                        .unwrap(),
                );
            }
            assert_close(&format!("{engine_name} {name}"), &rows, &expected);
            // All but candle's compute a row alike, whatever else is computed with it.
            assert!(rows == expected || engine_name == "plain", "{engine_name} {name}");
            assert!(
                engine
                    .feed(&parameters, &mut state, Tokens::U8(&[]), 0)
                    .unwrap()
                    .is_empty()
            );
            assert!(engine.feed(&parameters, &mut state[1..], Tokens::U8(&[0]), 0).is_err());
        }
    }
}

#[test]
fn nothing_to_count_is_zero() {
    let architecture = architecture(Cell::Lstm, 6, 2);
    let parameters = architecture.initial_parameters(1);
    let single = Example {
        tokens: Tokens::U8(&[1]),
        first_target: 1,
        key: 0,
    };
    let none = Example {
        tokens: Tokens::U8(&[]),
        first_target: 1,
        key: 0,
    };
    let late = Example {
        tokens: Tokens::U8(&[1, 2, 3]),
        first_target: 3,
        key: 0,
    };
    for (name, engine) in engines(architecture) {
        for batch in [&[][..], &[single], &[none, single, late]] {
            let (sum, gradient) = train(&*engine, &parameters, batch, &EVALUATION).unwrap();
            assert_eq!(sum, LossSum::default(), "{name}");
            assert!(gradient.iter().all(|&x| x == 0.0), "{name}");
            assert!(
                engine.probabilities(&parameters, batch, false, 1).unwrap().is_empty(),
                "{name}"
            );
        }
        // A sequence without targets changes nothing beside others.
        let counted = Example {
            tokens: Tokens::U8(&[1, 2, 3]),
            first_target: 1,
            key: 0,
        };
        let alone = train(&*engine, &parameters, &[counted], &EVALUATION).unwrap();
        let among = train(&*engine, &parameters, &[single, counted, none], &EVALUATION).unwrap();
        assert_eq!(alone.0, among.0, "{name}");
        assert_close(name, &among.1, &alone.1);
    }
}

#[test]
fn an_empty_history_is_answered_by_the_heads_bias() {
    let architecture = architecture(Cell::Rnn, 6, 1);
    let parameters = architecture.initial_parameters(1);
    let exponentials: Vec<f32> = parameters[parameters.len() - 5..].iter().map(|x| x.exp()).collect();
    let expected: Vec<f32> = exponentials
        .iter()
        .map(|x| x / exponentials.iter().sum::<f32>())
        .collect();
    for engine in Fused::variants(architecture).unwrap() {
        let (name, prepared) = (engine.instructions(), engine.prepare(&parameters).unwrap());
        assert_close(name, &prepared.predict(&[Tokens::U8(&[])], 1).unwrap(), &expected);
        let mixed = prepared.predict(&[&[1, 2][..], &[], &[3]].map(Tokens::U8), 1).unwrap();
        assert_close(name, &mixed[5..10], &expected);
        assert_close(name, &mixed[..5], &prepared.predict(&[Tokens::U8(&[1, 2])], 1).unwrap());
        assert!(prepared.predict(&[], 1).unwrap().is_empty());
    }
}

#[test]
fn wrong_requests_name_the_argument_the_value_and_what_is_allowed() {
    let architecture = architecture(Cell::Lstm, 4, 1);
    let parameters = architecture.initial_parameters(1);
    let good = Example {
        tokens: Tokens::U8(&[0, 4]),
        first_target: 1,
        key: 0,
    };
    for (_, engine) in engines(architecture) {
        let message =
            |batch: &[Example], step: &Step| train(&*engine, &parameters, batch, step).unwrap_err().to_string();
        assert_eq!(
            message(
                &[Example {
                    tokens: Tokens::U8(&[0, 5]),
                    ..good
                }],
                &EVALUATION
            ),
            "a sequence holds token 5; allowed: 0 to 4"
        );
        assert_eq!(
            message(
                &[Example {
                    first_target: 0,
                    ..good
                }],
                &EVALUATION
            ),
            "argument 'first_target' is 0; allowed: 1 or more"
        );
        assert_eq!(
            message(
                &[good],
                &Step {
                    window: 0,
                    ..EVALUATION
                }
            ),
            "argument 'window' is 0; allowed: 1 or more"
        );
        assert_eq!(
            message(
                &[good],
                &Step {
                    threads: 0,
                    ..EVALUATION
                }
            ),
            "argument 'threads' is 0; allowed: 1 or more"
        );
        assert_eq!(
            message(
                &[good],
                &Step {
                    class_weights: Some(&[1.0]),
                    ..EVALUATION
                }
            ),
            "argument 'class_weights' holds 1 values; allowed: 5"
        );
        assert_eq!(
            predict(&*engine, &parameters[1..], &[Tokens::U8(&[0])])
                .unwrap_err()
                .to_string(),
            format!(
                "argument 'parameters' holds {} values; allowed: {}",
                parameters.len() - 1,
                parameters.len()
            )
        );
        assert_eq!(
            engine
                .feed(&parameters, &mut [0.0; 7], Tokens::U8(&[0]), 0)
                .unwrap_err()
                .to_string(),
            "argument 'state' holds 7 values; allowed: 8"
        );
        assert_eq!(
            add_gradient(&*engine, &parameters, &[good], &EVALUATION, &mut [0.0])
                .unwrap_err()
                .to_string(),
            format!("argument 'gradient' holds 1 values; allowed: {}", parameters.len())
        );
    }
    let refused = Plain::new(
        Architecture {
            dropout: 1.0,
            ..architecture
        },
        Device::Cpu,
    )
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "argument 'dropout' is 1; allowed: 0 <= dropout < 1"
    );
    let refused = Plain::new(
        Architecture {
            vocabulary: 65_537,
            ..architecture
        },
        Device::Cpu,
    )
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "argument 'vocabulary' is 65537; allowed: 1 to 65536"
    );
}

#[test]
fn our_engines_agree_with_plain_candle() {
    // Hidden sizes below, at and above the vectors' widths and the panels'; more tokens
    // than one vector; more sequences than one block, of very unequal length.
    for (vocabulary, embedding, hidden, layers, window) in [
        (2, 1, 1, 1, 1000),
        (5, 32, 64, 1, 13),
        (20, 7, 33, 2, 1000),
        (5, 16, 80, 3, 20),
        (40, 3, 17, 2, 1),
    ] {
        let sequences = random_sequences(70, vocabulary, 60, 11);
        let batch = examples(&sequences);
        let class_weights: Vec<f32> = (0..vocabulary).map(|token| 0.5 + token as f32 / 8.0).collect();
        let step = Step {
            class_weights: Some(&class_weights),
            dropout_seed: Some(3),
            window,
            ..EVALUATION
        };
        for (cell, name) in CELLS {
            let architecture = Architecture {
                cell,
                vocabulary,
                embedding,
                hidden,
                layers,
                dropout: 0.3,
            };
            let parameters = architecture.initial_parameters(12);
            let plain = Plain::new(architecture, Device::Cpu).unwrap();
            let expected = answers(&plain, &parameters, &batch, &step);
            for (engine_name, engine) in engines(architecture).split_off(1) {
                let context = format!("{engine_name} {name} {hidden} x {layers}");
                assert_answers_close(&context, answers(&*engine, &parameters, &batch, &step), &expected);
            }
        }
    }
}

/// Loss sums, gradient and probabilities of a batch, the gradient as a training step uses it: divided by the weight.
fn answers(engine: &dyn Engine, parameters: &[f32], batch: &[Example], step: &Step) -> (LossSum, Vec<f32>, Vec<f32>) {
    let (sum, mut gradient) = train(engine, parameters, batch, step).unwrap();
    gradient.iter_mut().for_each(|x| *x /= sum.weight as f32);
    (sum, gradient, engine.probabilities(parameters, batch, true, 1).unwrap())
}

fn assert_answers_close(
    context: &str,
    actual: (LossSum, Vec<f32>, Vec<f32>),
    expected: &(LossSum, Vec<f32>, Vec<f32>),
) {
    assert_sums_close(context, actual.0, expected.0);
    assert_close(context, &actual.1, &expected.1);
    assert_close(context, &actual.2, &expected.2);
}

/// Every number of units that kernels are made for, exactly; more tokens than a tile of a product has.
#[test]
fn a_card_agrees_with_plain_candle_at_every_size() {
    let sequences = random_sequences(5, 70, 12, 31);
    let batch = examples(&sequences);
    let step = Step {
        dropout_seed: Some(3),
        window: 7,
        ..EVALUATION
    };
    for hidden in [32, 64, 96, 128] {
        for (cell, name) in CELLS {
            let architecture = Architecture {
                vocabulary: 70,
                dropout: 0.3,
                ..architecture(cell, hidden, 2)
            };
            let parameters = architecture.initial_parameters(12);
            let Some(engine) = emulated(architecture) else { return };
            let plain = Plain::new(architecture, Device::Cpu).unwrap();
            let expected = answers(&plain, &parameters, &batch, &step);
            assert_answers_close(
                &format!("{name} {hidden}"),
                answers(&engine, &parameters, &batch, &step),
                &expected,
            );
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let sequences = random_sequences(150, 5, 50, 21);
    let batch = examples(&sequences);
    let tokens: Vec<Tokens> = sequences.iter().map(|tokens| Tokens::U8(tokens)).collect();
    for (cell, name) in CELLS {
        let architecture = Architecture {
            dropout: 0.2,
            ..architecture(cell, 24, 2)
        };
        let parameters = architecture.initial_parameters(1);
        let engine = Fused::new(architecture).unwrap();
        let answers = |threads| {
            let step = Step {
                dropout_seed: Some(9),
                threads,
                ..EVALUATION
            };
            let (sum, gradient) = train(&engine, &parameters, &batch, &step).unwrap();
            let bits: Vec<u32> = gradient
                .iter()
                .chain(&engine.probabilities(&parameters, &batch, true, threads).unwrap())
                .chain(&engine.prepare(&parameters).unwrap().predict(&tokens, threads).unwrap())
                .map(|x| x.to_bits())
                .collect();
            (sum.loss.to_bits(), sum.weight.to_bits(), bits)
        };
        let expected = answers(1);
        for threads in [1, 2, 4, 40] {
            assert!(answers(threads) == expected, "{name} with {threads} threads");
        }
    }
}

/// A workspace that was made for larger batches, or for smaller ones, leaves no trace; nor does a second try.
#[test]
fn what_a_card_computed_before_changes_no_byte() {
    let sequences = random_sequences(40, 5, 30, 22);
    let batch = examples(&sequences);
    for (cell, name) in CELLS {
        let architecture = Architecture {
            dropout: 0.2,
            ..architecture(cell, 40, 2)
        };
        let parameters = architecture.initial_parameters(1);
        let step = Step {
            dropout_seed: Some(9),
            window: 11,
            ..EVALUATION
        };
        let Some(engine) = emulated(architecture) else { return };
        let bits = |engine: &Gpu, batch: &[Example]| {
            let (sum, gradient) = train(engine, &parameters, batch, &step).unwrap();
            let rows = engine.probabilities(&parameters, batch, true, 1).unwrap();
            let numbers = gradient.iter().chain(&rows).map(|x| x.to_bits());
            (sum.loss.to_bits(), sum.weight.to_bits(), numbers.collect::<Vec<_>>())
        };
        let few = bits(&engine, &batch[..7]);
        let many = bits(&engine, &batch);
        assert!(bits(&engine, &batch[..7]) == few, "{name}");
        assert!(bits(&emulated(architecture).unwrap(), &batch) == many, "{name}");
    }
}

/// Refused before anything is taken on the card.
#[test]
fn sizes_that_no_kernel_has_are_refused_with_the_figure() {
    let most = architecture(Cell::Gru, 128, 1);
    let Some(engine) = emulated(most) else { return };
    assert_eq!(engine.architecture(), &most);
    for (wrong, message) in [
        (
            Architecture { hidden: 129, ..most },
            "argument 'hidden' is 129; allowed: 1 to 128 with device 'cuda', or device 'cpu'",
        ),
        (
            Architecture {
                vocabulary: 257,
                ..most
            },
            "argument 'vocabulary' is 257; allowed: 1 to 256 with device 'cuda', or device 'cpu'",
        ),
    ] {
        assert_eq!(Gpu::new(wrong).err().unwrap().to_string(), message);
    }
    let message = engine.reserve(1 << 16, 1 << 16, 1 << 16).unwrap_err().to_string();
    assert!(message.contains("MiB of memory for this; allowed: "), "{message}");
}

#[test]
fn a_diverged_network_has_no_finite_loss() {
    let architecture = architecture(Cell::Lstm, 16, 1);
    let mut parameters = architecture.initial_parameters(1);
    parameters[30] = f32::NAN;
    let batch = [Example {
        tokens: Tokens::U8(&[0, 1, 2, 3, 4, 0, 1]),
        first_target: 1,
        key: 0,
    }];
    for (name, engine) in engines(architecture) {
        let (sum, _) = train(&*engine, &parameters, &batch, &EVALUATION).unwrap();
        assert!(sum.loss.is_nan(), "{name}: {sum:?}");
    }
}

#[test]
fn sequences_that_begin_alike_count_like_strangers() {
    // Duplicates, a prefix of another, a common beginning, different first targets.
    let tokens: [&[u8]; 6] = [
        &[0, 1, 0, 0, 2, 0, 1],
        &[0, 1, 0, 0, 2, 0, 1],
        &[0, 1, 0, 0],
        &[0, 1, 0, 3, 3],
        &[0, 1, 0, 0, 2, 0, 4, 4],
        &[4, 1],
    ];
    let first_targets = [1, 3, 1, 2, 6, 1];
    let batch: Vec<Example> = tokens
        .iter()
        .zip(first_targets)
        .map(|(&tokens, first_target)| Example {
            tokens: Tokens::U8(tokens),
            first_target,
            key: 0,
        })
        .collect();
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 20, 2);
        let parameters = architecture.initial_parameters(5);
        for window in [1000, 3] {
            let step = Step { window, ..EVALUATION };
            for (engine_name, engine) in engines(architecture) {
                let mut expected = (LossSum::default(), vec![0.0; parameters.len()], Vec::new());
                for example in &batch {
                    let (sum, gradient) = train(&*engine, &parameters, &[*example], &step).unwrap();
                    expected.0.loss += sum.loss;
                    expected.0.weight += sum.weight;
                    expected.1.iter_mut().zip(gradient).for_each(|(total, x)| *total += x);
                    expected
                        .2
                        .extend(engine.probabilities(&parameters, &[*example], true, 1).unwrap());
                }
                let context = format!("{engine_name} {name} {window}");
                let (sum, gradient) = train(&*engine, &parameters, &batch, &step).unwrap();
                assert_sums_close(&context, sum, expected.0);
                assert_close(&context, &gradient, &expected.1);
                assert_close(
                    &context,
                    &engine.probabilities(&parameters, &batch, true, 1).unwrap(),
                    &expected.2,
                );
            }
        }
    }
}

#[test]
fn saturated_gates_agree() {
    // Sums of up to some hundreds: every gate is at a limit, probabilities are 0 and 1.
    let sequences = random_sequences(10, 5, 20, 31);
    let batch = examples(&sequences);
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 16, 1);
        let parameters: Vec<f32> = architecture.initial_parameters(2).iter().map(|x| 60.0 * x).collect();
        let plain = Plain::new(architecture, Device::Cpu).unwrap();
        let expected = plain.probabilities(&parameters, &batch, true, 1).unwrap();
        let (expected_sum, _) = train(&plain, &parameters, &batch, &EVALUATION).unwrap();
        for (engine_name, engine) in engines(architecture).split_off(1) {
            let context = format!("{engine_name} {name}");
            let (sum, gradient) = train(&*engine, &parameters, &batch, &EVALUATION).unwrap();
            assert!(
                (sum.loss / expected_sum.loss - 1.0).abs() < 1e-4,
                "{context}: {sum:?} {expected_sum:?}"
            );
            assert!(gradient.iter().all(|x| x.is_finite()), "{context}");
            let actual = engine.probabilities(&parameters, &batch, true, 1).unwrap();
            let largest = actual
                .iter()
                .zip(&expected)
                .map(|(a, e)| (a - e).abs())
                .fold(0.0, f32::max);
            assert!(largest < 1e-3, "{context}: {largest}");
        }
    }
}

#[test]
fn the_largest_weights_of_a_model_predict_numbers() {
    let sequences = random_sequences(10, 5, 20, 32);
    let batch = examples(&sequences);
    let histories: Vec<Tokens> = batch.iter().map(|example| example.tokens).collect();
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 20, 2);
        let n_parameters = architecture.n_parameters();
        let mut random = Random::new(7);
        for share in [0.0, 0.5, 1.0] {
            let sign = |random: &mut Random| if random.uniform() < share { 1e15 } else { -1e15 };
            let parameters: Vec<f32> = (0..n_parameters).map(|_| sign(&mut random)).collect();
            for (engine_name, engine) in engines(architecture) {
                let context = format!("{engine_name} {name} {share}");
                assert_distributions(&context, &engine.probabilities(&parameters, &batch, true, 1).unwrap());
                let (sum, _) = train(&*engine, &parameters, &batch, &EVALUATION).unwrap();
                assert!(sum.loss.is_finite(), "{context}: {sum:?}");
            }
            for engine in Fused::variants(architecture).unwrap() {
                let context = format!("{} {name} {share}, prepared", engine.instructions());
                let prepared = engine.prepare(&parameters).unwrap();
                assert_distributions(&context, &prepared.predict(&histories, 1).unwrap());
                let (mut state, mut probabilities) = (vec![0.0; architecture.n_state()], vec![0.0; 5]);
                for token in [0, 4, 2, 2].map(Token) {
                    prepared.advance(&mut state, token, &mut probabilities).unwrap();
                    assert_distributions(&context, &probabilities);
                }
            }
        }
    }
}

/// The same sequences with every token as wide as a vocabulary of so many entries needs.
fn widened(sequences: &[Vec<u8>], n_entries: usize) -> Vec<TokenList> {
    let widen = |tokens: &Vec<u8>| {
        let mut list = TokenList::new(n_entries);
        tokens.iter().for_each(|&token| list.push(token.into()));
        list
    };
    sequences.iter().map(widen).collect()
}

/// To the bit: how a token is stored is no matter of the network.
#[test]
fn the_width_of_tokens_changes_no_byte() {
    let sequences = random_sequences(60, 5, 30, 41);
    let narrow = examples(&sequences);
    for (cell, name) in CELLS {
        let architecture = architecture(cell, 20, 2);
        let parameters = architecture.initial_parameters(3);
        let engine = Fused::new(architecture).unwrap();
        let answers = |batch: &[Example]| {
            let (sum, gradient) = train(&engine, &parameters, batch, &EVALUATION).unwrap();
            let histories: Vec<Tokens> = batch.iter().map(|example| example.tokens).collect();
            let rows = predict(&engine, &parameters, &histories).unwrap();
            let numbers = gradient.iter().chain(&rows).map(|x| x.to_bits());
            (sum.loss.to_bits(), numbers.collect::<Vec<_>>())
        };
        let expected = answers(&narrow);
        for n_entries in [257, 65_537] {
            let lists = widened(&sequences, n_entries);
            let wide: Vec<Example> = lists
                .iter()
                .zip(&narrow)
                .map(|(list, example)| Example {
                    tokens: list.tokens(),
                    ..*example
                })
                .collect();
            assert!(answers(&wide) == expected, "{name} {n_entries}");
        }
    }
}

/// Candle against our kernels, where a token takes two bytes and the head is wider than any panel.
#[test]
fn engines_agree_on_a_thousand_tokens() {
    let mut random = Random::new(42);
    let mut sequence = |length: u64| {
        let mut list = TokenList::new(1000);
        (0..1 + random.below(length)).for_each(|_| list.push(Token(random.below(1000) as u32)));
        list
    };
    let lists: Vec<TokenList> = (0..40).map(|_| sequence(20)).collect();
    let batch: Vec<Example> = lists
        .iter()
        .map(|list| Example {
            tokens: list.tokens(),
            first_target: 1,
            key: 0,
        })
        .collect();
    for (cell, name) in CELLS {
        let architecture = Architecture {
            vocabulary: 1000,
            ..architecture(cell, 12, 1)
        };
        let parameters = architecture.initial_parameters(4);
        let plain = Plain::new(architecture, Device::Cpu).unwrap();
        let (expected_sum, expected) = train(&plain, &parameters, &batch, &EVALUATION).unwrap();
        let expected_rows = plain.probabilities(&parameters, &batch, true, 1).unwrap();
        for engine in Fused::variants(architecture).unwrap() {
            let context = format!("{} {name}", engine.instructions());
            let (sum, gradient) = train(&engine, &parameters, &batch, &EVALUATION).unwrap();
            assert_sums_close(&context, sum, expected_sum);
            assert_close(&context, &gradient, &expected);
            let rows = engine.probabilities(&parameters, &batch, true, 1).unwrap();
            assert_close(&context, &rows, &expected_rows);
        }
    }
}

/// More rows than go through the head at once, in training and in scoring: as much as they give one by one.
#[test]
fn blocks_of_a_large_head_leave_no_trace() {
    let mut random = Random::new(43);
    let n_tokens = 60_000;
    let mut list = TokenList::new(n_tokens);
    (0..90).for_each(|_| list.push(Token(random.below(n_tokens as u64) as u32)));
    let example = |from: usize| Example {
        tokens: list.tokens().slice(from..from + 30),
        first_target: 1,
        key: 0,
    };
    let batch = [0, 30, 60].map(example);
    let architecture = Architecture {
        vocabulary: n_tokens,
        ..architecture(Cell::Gru, 4, 1)
    };
    let parameters = architecture.initial_parameters(4);
    let engine = Fused::new(architecture).unwrap();
    let (sum, gradient) = train(&engine, &parameters, &batch, &EVALUATION).unwrap();
    let (mut expected_sum, mut expected) = (LossSum::default(), vec![0.0; parameters.len()]);
    let mut expected_rows = Vec::new();
    for example in batch {
        let one = add_gradient(&engine, &parameters, &[example], &EVALUATION, &mut expected).unwrap();
        expected_sum.loss += one.loss;
        expected_sum.weight += one.weight;
        expected_rows.extend(engine.probabilities(&parameters, &[example], true, 1).unwrap());
    }
    assert_sums_close("a large head", sum, expected_sum);
    assert_close("a large head", &gradient, &expected);
    let rows = engine.probabilities(&parameters, &batch, true, 1).unwrap();
    assert!(rows == expected_rows);
    // Without a list of all rows.
    struct Loss<'a>(Tokens<'a>, f64);
    impl Reader for Loss<'_> {
        fn read(&mut self, position: usize, distribution: &[f32]) {
            self.1 -= f64::from(distribution[self.0.at(position).index()]).ln();
        }
    }
    let mut readers = batch.map(|example| Loss(example.tokens, 0.0));
    let wanted = batch.iter().zip(&mut readers).map(|(&example, reader)| Wanted {
        example,
        include_last: false,
        reader,
    });
    engine.score(&parameters, wanted.collect(), 2).unwrap();
    let loss: f64 = readers.iter().map(|reader| reader.1).sum();
    assert!((loss / sum.loss - 1.0).abs() < 1e-5, "{loss} {sum:?}");
}

/// Rows of five probabilities.
fn assert_distributions(context: &str, probabilities: &[f32]) {
    for row in probabilities.chunks_exact(5) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{context}: {row:?}");
    }
}
