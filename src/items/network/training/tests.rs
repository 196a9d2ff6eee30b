use super::*;

/// A sum of cross-entropies, and of each group of weights the length of its gradient and that times cosines, by PyTorch: tests/recorded/sasrec.py.
const LOSS: f64 = 597.054_407_831;
const GRADIENTS: [(&str, f64, f64); 23] = [
    ("items", 3.248262945e-01, -4.157010416e-02),
    ("positions", 3.168065356e-02, -1.698338868e-03),
    ("norm 0", 6.759048417e-03, -7.609728092e-04),
    ("qkv 0", 1.722067865e-02, 4.657636022e-03),
    ("qkv_bias 0", 1.361879796e-02, -1.254771536e-03),
    ("out 0", 1.636191127e-01, 8.854541118e-04),
    ("out_bias 0", 1.623409114e-01, 2.042059478e-02),
    ("second_norm 0", 5.625903440e-03, -1.969844486e-03),
    ("inner 0", 1.315945798e-02, 2.874231939e-03),
    ("inner_bias 0", 9.745300498e-03, -6.241447322e-03),
    ("outer 0", 2.187735437e-01, -8.065553802e-03),
    ("outer_bias 0", 1.624208609e-01, 2.051145650e-02),
    ("norm 1", 7.380011021e-03, -1.136382375e-03),
    ("qkv 1", 1.609966201e-02, 3.658025659e-03),
    ("qkv_bias 1", 1.338626263e-02, -2.185587809e-03),
    ("out 1", 2.224858675e-01, -2.631169478e-03),
    ("out_bias 1", 1.624506746e-01, 2.093122834e-02),
    ("second_norm 1", 3.805467791e-03, -9.161337049e-04),
    ("inner 1", 1.174028794e-02, -6.109777039e-04),
    ("inner_bias 1", 9.123909139e-03, 6.906989622e-04),
    ("outer 1", 2.155510804e-01, -3.814330597e-04),
    ("outer_bias 1", 1.625264076e-01, 2.112524553e-02),
    ("last", 9.786241149e-01, 2.161940438e-02),
];

const SETTINGS: Settings = Settings {
    dim: 32,
    layers: 2,
    heads: 2,
    max_length: 70,
    epochs: 1,
    patience: 1,
    learning_rate: 0.001,
    dropout: 0.0,
    seed: 1,
    min_count: 1,
};
const N_ITEMS: usize = 300;

/// Weights that are sines, and histories longer and shorter than what attention takes together.
fn example(machine: Machine, settings: &Settings) -> (Trainer, Vec<(u32, u32, u32)>) {
    let long = (0..71).map(|i| (i * i + 3 * i) % N_ITEMS as u32).collect();
    let short = (0..20).map(|i| 7 * i % N_ITEMS as u32).collect();
    let histories = vec![long, vec![4, 4, 7], vec![299, 1], short];
    let pieces = histories
        .iter()
        .zip(0..)
        .map(|(one, n): (&Vec<u32>, u32)| (n, 0, one.len() as u32 - 1))
        .collect();
    let mut trainer = Trainer::new(settings, N_ITEMS, histories);
    trainer.machine = machine;
    let (n_of_items, n_others) = (trainer.shape.n_of_items(), trainer.shape.n_weights());
    let number = |place: usize| (0.3 * (1.7 * place as f64 + 0.3).sin()) as f32;
    let items = trainer.items.weights[..n_of_items].iter_mut();
    let others = trainer.others.weights[..n_others].iter_mut();
    items
        .chain(others)
        .enumerate()
        .for_each(|(place, x)| *x = number(place));
    (trainer, pieces)
}

/// The gradients of all weights, those of the items first.
fn gradient(trainer: &Trainer) -> Vec<f64> {
    let items = &trainer.items.gradient[..trainer.shape.n_of_items()];
    let others = &trainer.others.gradient[..trainer.shape.n_weights()];
    items.iter().chain(others).map(|&x| f64::from(x)).collect()
}

#[test]
fn loss_and_gradients_are_those_of_pytorch() {
    for machine in Machine::available() {
        let (mut trainer, pieces) = example(machine, &SETTINGS);
        let loss = trainer.gradients(&pieces, 92, 2);
        assert!((loss / LOSS - 1.0).abs() < 1e-6, "{machine:?}: {loss}");
        let gradient = gradient(&trainer);
        let d = SETTINGS.dim;
        let of_layer = [2 * d, 3 * d * d, 3 * d, d * d, d, 2 * d, d * d, d, d * d, d];
        let sizes = [
            &[N_ITEMS * d, SETTINGS.max_length * d],
            &of_layer[..],
            &of_layer[..],
            &[2 * d],
        ]
        .concat();
        assert_eq!(sizes.iter().sum::<usize>(), gradient.len());
        let mut rest = &gradient[..];
        for (size, (name, length, along)) in sizes.into_iter().zip(GRADIENTS) {
            let (group, others) = rest.split_at(size);
            rest = others;
            let found: f64 = group.iter().map(|x| x * x).sum::<f64>().sqrt();
            let product: f64 = group.iter().enumerate().map(|(i, x)| x * (0.9 * i as f64).cos()).sum();
            assert!(
                (found / length - 1.0).abs() < 1e-4,
                "{machine:?}, {name}: {found} for {length}"
            );
            assert!(
                (product - along).abs() < 1e-4 * length,
                "{machine:?}, {name}: {product} for {along}"
            );
        }
    }
}

#[test]
fn gradients_are_those_of_small_steps_with_dropout_too() {
    let settings = Settings {
        dropout: 0.3,
        ..SETTINGS
    };
    let (mut trainer, pieces) = example(Machine::best(), &settings);
    trainer.gradients(&pieces, 92, 1);
    let gradient = gradient(&trainer);
    // Along its own direction, where single precision shows the most; the same numbers are left out of both.
    let length = gradient.iter().map(|x| x * x).sum::<f64>().sqrt();
    let loss_at = |step: f64| {
        let (mut moved, pieces) = example(Machine::best(), &settings);
        let n = moved.shape.n_of_items();
        let (items, others) = gradient.split_at(n);
        let walk = |weights: &mut [f32], gradient: &[f64]| {
            weights
                .iter_mut()
                .zip(gradient)
                .for_each(|(x, g)| *x += (step * g / length) as f32);
        };
        walk(&mut moved.items.weights, items);
        walk(&mut moved.others.weights, others);
        moved.gradients(&pieces, 92, 1) / 92.0
    };
    let slope = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
    assert!((slope / length - 1.0).abs() < 3e-3, "{slope} for {length}");
}

#[test]
fn an_epoch_does_not_depend_on_threads_and_learns() {
    let settings = Settings {
        dropout: 0.1,
        learning_rate: 0.01,
        max_length: 8,
        ..SETTINGS
    };
    let histories: Vec<Vec<u32>> = (0..200)
        .map(|user| (0..12).map(|i| (user + i) % 40).collect())
        .collect();
    let learned = |threads: usize| {
        let mut trainer = Trainer::new(&settings, 40, histories.clone());
        let losses: Vec<f64> = (0..25).map(|_| trainer.epoch(threads)).collect();
        (losses, trainer.items.weights.to_vec(), trainer.others.weights.to_vec())
    };
    let one = learned(1);
    assert_eq!(one, learned(3));
    // Of 40 items that follow one another the next one is certain.
    assert!((one.0[0] - 40f64.ln()).abs() < 1.0 && one.0[24] < 0.5, "{:?}", one.0);
}

#[test]
fn every_event_with_one_behind_it_is_read_once_in_each_pass() {
    let settings = Settings {
        max_length: 8,
        ..SETTINGS
    };
    let histories: Vec<Vec<u32>> = (2..40).map(|n| vec![0; n]).collect();
    let mut trainer = Trainer::new(&settings, 1, histories.clone());
    for epoch in 1..4 {
        trainer.n_epochs = epoch;
        let mut pieces = trainer.pieces();
        pieces.sort_unstable();
        for (number, history) in histories.iter().enumerate() {
            let of_history = pieces.iter().filter(|piece| piece.0 == number as u32);
            let mut next = 0;
            for &(_, begin, end) in of_history {
                assert!(begin == next && end > begin && end - begin <= 8);
                next = end;
            }
            assert_eq!(next as usize, history.len() - 1);
        }
    }
}
