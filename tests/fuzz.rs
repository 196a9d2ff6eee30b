//! Damaged values: whatever bytes arrive as a model, a training state, a dataset
//! or a clustering, decoding ends in a value or an error, without a panic, soon,
//! and without more memory than a small multiple of the bytes.
//!
//! `make fuzz` runs a million cases; FOOTFALL_FUZZ_CASES sets another number and
//! FOOTFALL_FUZZ_FIRST where to begin. A case depends on its number alone.

use footfall::baseline::own_history;
use footfall::baseline::{Baseline, Counts, Predictor};
use footfall::error::Error;
use footfall::evaluate::{self, Place};
use footfall::items::{self, Asked, Event, Histories, History, Ids, ItemModel, Room, Targets, Texts, Wanted};
use footfall::model::Model;
use footfall::network::Fused;
use footfall::random::Random;
use footfall::report::{Chart, page, plain};
use footfall::segment::kmeans::model::Assigner;
use footfall::segment::mixture::Membership;
use footfall::sequence::{Dataset, Sequence, Token, TokenList, Tokens, Vocabulary};
use footfall::train::{Settings, Trainer};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell as Local;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What `make test` runs.
const CASES: u64 = 10_000;
/// Bytes of memory per byte of the header: it is JSON, whose smallest value (`0,`) takes two bytes and 32 when it is
/// parsed, in a list that doubles when it grows.
const PER_HEADER_BYTE: usize = 64;
/// Bytes of memory per byte behind the header, and beside everything.
const PER_BYTE: usize = 4;
const BESIDE: usize = 16 * 1024;
/// What a hang looks like on a busy machine.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts what a thread holds.
struct Counting;

thread_local! {
    static HELD: Local<isize> = const { Local::new(0) };
    static MOST: Local<isize> = const { Local::new(0) };
}

fn count(change: isize) {
    // A thread that ends frees memory after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The result, and the most bytes that were held on the way to it.
fn measured<T>(body: impl FnOnce() -> T) -> (T, usize) {
    HELD.set(0);
    MOST.set(0);
    let result = body();
    (result, MOST.get() as usize)
}

/// Valid values to be damaged.
struct Corpus {
    /// Finished models and models with the state of a run.
    models: Vec<Vec<u8>>,
    datasets: Vec<Vec<u8>>,
    /// The scores of the last model on the first dataset.
    piece: Vec<u8>,
    /// Models of items, with numbers, with texts, and with a network.
    items: Vec<Vec<u8>>,
}

impl Corpus {
    fn new() -> Self {
        let names = ["buy", "cart", "fav", "pv"].map(str::to_owned);
        let vocabulary = Vocabulary::new(names).unwrap();
        let histories: [(&[u8], usize); 5] = [
            (&[3, 3, 1, 0], 4),
            (&[3, 3], 2),
            (&[3, 2, 3, 3, 0, 3], 0),
            (&[1, 3, 3], 2),
            (&[3, 3, 3, 3, 3, 3, 3], 7),
        ];
        let sequences = histories.map(|(tokens, n_train)| Sequence {
            tokens: Tokens::U8(tokens),
            n_train,
        });
        let dataset = Dataset::pack(&vocabulary, sequences.to_vec()).unwrap();
        let empty = Dataset::pack(&vocabulary, Vec::new()).unwrap();
        let mut models = Vec::new();
        for architecture in ["rnn", "gru", "lstm"] {
            let settings = json!({"architecture": architecture, "hidden": 3, "embedding": 2, "layers": 2, "batch_size": 2,
                "max_length": 1, "class_weights": {"buy": 2.0}, "dropout": 0.1});
            let read = Dataset::from_bytes(&dataset).unwrap();
            let mut trainer = Trainer::start(&read, Settings::from_json(settings).unwrap(), None).unwrap();
            models.push(trainer.to_bytes().unwrap());
            // Within a batch.
            assert_eq!(
                trainer.advance(&read, 1, Some(Instant::now()), &mut |_| {}).unwrap(),
                None
            );
            models.push(trainer.to_bytes().unwrap());
            trainer.advance(&read, 1, None, &mut |_| {}).unwrap();
            models.push(trainer.to_bytes().unwrap());
            models.push(trainer.model().to_bytes(None).unwrap());
        }
        let read = Dataset::from_bytes(&dataset).unwrap();
        let model = Model::from_bytes(&models[models.len() - 1]).unwrap();
        let network = Fused::new(model.architecture)
            .unwrap()
            .prepare(&model.parameters)
            .unwrap();
        let numbers = Vocabulary::of_ids([i64::MIN, -7, 0, i64::MAX]).unwrap();
        let of_ids = Dataset::pack(&numbers, sequences.to_vec()).unwrap();
        let many = Vocabulary::new((0..300).map(|number| format!("ä{number:03}"))).unwrap();
        let of_many = Dataset::pack(&many, sequences.to_vec()).unwrap();
        let own_history = own_history::Predictor::new(model.own_history, &model.counts);
        let piece = evaluate::Piece::score(&read, &network, &own_history, &mut Place::default(), 1).unwrap();
        Self {
            models,
            piece: piece.to_bytes(),
            items: item_models(),
            datasets: vec![dataset, empty, of_ids, of_many],
        }
    }
}

fn item_models() -> Vec<Vec<u8>> {
    let history = |first: u32| {
        let word = |place: u32| ((first * place) % 7) | (u32::from(place > 5) << 31) | (1 << 30);
        History {
            events: (0..9).map(word).map(Event::from_word).collect(),
            n_train: 8,
            n_fit: 6,
        }
    };
    let histories = Histories::new(7, (1..20).map(history).collect()).unwrap();
    let asked = Asked {
        k: 3,
        exclude_seen: false,
        window: 4,
    };
    let settings = items::Settings {
        asked,
        targets: Targets::All,
        threads: 1,
        against: None,
    };
    let mut texts = Texts::default();
    ["", "a", "ä", "b", "c", "dd", "日本"]
        .into_iter()
        .for_each(|text| texts.push(text));
    let numbers = Ids::Numbers(vec![i64::MIN, -7, 0, 1, 2, 99, i64::MAX]);
    let network = items::NetworkSettings {
        dim: 16,
        layers: 1,
        heads: 1,
        max_length: 3,
        epochs: 1,
        patience: 1,
        learning_rate: 0.01,
        dropout: 0.1,
        seed: 1,
        min_count: 2,
    };
    let models = [
        (numbers.clone(), None),
        (Ids::Texts(texts), None),
        (numbers, Some(&network)),
    ];
    let train = |(names, network)| {
        let trained = items::train(&histories, &names, 3, Some(7), network, &settings);
        trained.unwrap().unwrap().model.to_bytes().unwrap()
    };
    models.into_iter().map(train).collect()
}

/// A damaged value, and whether it must be refused.
struct Case {
    bytes: Vec<u8>,
    /// Part of the error that it must give, where only one answer is right.
    refused: Option<&'static str>,
    kind: &'static str,
}

fn pick<'a, T>(random: &mut Random, items: &'a [T]) -> &'a T {
    &items[random.below(items.len() as u64) as usize]
}

fn below(random: &mut Random, n: usize) -> usize {
    random.below(n.max(1) as u64) as usize
}

fn case(random: &mut Random, corpus: &Corpus) -> Case {
    let pool = if random.below(4) == 0 {
        &corpus.datasets
    } else {
        &corpus.models
    };
    let is_model = std::ptr::eq(pool, &corpus.models);
    let mut bytes = pick(random, pool).clone();
    let mut refused = None;
    let kind = match random.below(13) {
        0 => {
            bytes.truncate(below(random, bytes.len()));
            refused = Some("");
            "truncated"
        }
        1 => {
            for _ in 0..=random.below(8) {
                let place = below(random, bytes.len());
                bytes[place] ^= 1 << random.below(8);
            }
            "bits flipped"
        }
        2 => {
            splice(random, &mut bytes);
            "bytes moved"
        }
        3 => {
            let length = *pick(
                random,
                &[
                    0,
                    1,
                    7,
                    8,
                    100,
                    1 << 20,
                    u64::from(u32::MAX),
                    1 << 40,
                    u64::MAX - 7,
                    u64::MAX,
                ],
            );
            bytes[..8].copy_from_slice(&length.to_le_bytes());
            refused = Some("");
            "header length"
        }
        4 => {
            bytes = with_header(&bytes, |header| change_number(random, header));
            "number in the header"
        }
        5 => {
            bytes = with_header(&bytes, |header| change_json(random, header));
            "tree of the header"
        }
        6 => {
            bytes = with_metadata(&bytes, |metadata| change_json(random, metadata));
            "tree of the metadata"
        }
        7 => {
            bytes = with_metadata(&bytes, |metadata| change_number(random, metadata));
            "number in the metadata"
        }
        8 if is_model => {
            let word = *pick(random, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.1e15, -3e38]);
            let weights = tensor(&bytes, "rnn.weight_hh_l0");
            let place = weights.start + 4 * below(random, weights.len() / 4);
            bytes[place..place + 4].copy_from_slice(&word.to_le_bytes());
            refused = Some("weights beyond");
            "weights that are no numbers"
        }
        8 => {
            let word = *pick(random, &[0, 1, 3, 255, u32::MAX - 1, u32::MAX]);
            let name = *pick(random, &["lengths", "n_train"]);
            let words = tensor(&bytes, name);
            let place = words.start + 4 * below(random, words.len() / 4);
            if place + 4 <= words.end {
                bytes[place..place + 4].copy_from_slice(&u32::to_le_bytes(word));
            }
            "lengths"
        }
        9 => {
            bytes = foreign(random);
            refused = Some("");
            "foreign file"
        }
        10 => {
            let version = *pick(random, &["4", "17", "4294967295"]);
            let more = *pick(random, &["", ",\"vocabulary\":7", ",\"anything\":[{}]"]);
            bytes = with_metadata(&bytes, |metadata| {
                let (before, after) = metadata.split_once("\"format_version\":").unwrap();
                // What a newer format holds beside its version, here one digit, is unknown.
                let after = if more.is_empty() { &after[1..] } else { "}" };
                format!("{before}\"format_version\":{version}{more}{after}")
            });
            refused = Some("update the extension");
            "newer version"
        }
        11 => {
            bytes = stuffed(random, &bytes);
            "stuffed header"
        }
        _ => {
            refused = change_entries(random, &mut bytes);
            "entries of the vocabulary"
        }
    };
    // Some damage comes twice.
    if refused.is_none() && random.below(4) == 0 {
        splice(random, &mut bytes);
    }
    Case { bytes, refused, kind }
}

/// Changes the tensors of a vocabulary, where it has any, so that they are none, or perhaps others; what the error must
/// hold in the first case.
fn change_entries(random: &mut Random, bytes: &mut [u8]) -> Option<&'static str> {
    let [offsets, text, ids] =
        ["vocabulary.offsets", "vocabulary.text", "vocabulary.ids"].map(|name| find_tensor(bytes, name));
    if let Some(ids) = ids {
        // Any of them but the first stands behind itself or a greater number then.
        let place = ids.start + 8 * (1 + below(random, ids.len() / 8 - 1));
        let low = *pick(random, &[i64::MIN, i64::MIN + 1]);
        bytes[place..place + 8].copy_from_slice(&low.to_le_bytes());
        return (low == i64::MIN).then_some("do not rise");
    }
    let (offsets, text) = (offsets?, text?);
    match random.below(3) {
        0 => {
            let place = offsets.start + 4 * below(random, offsets.len() / 4);
            let beyond = *pick(random, &[u32::MAX, 1 << 30, text.len() as u32 + 1]);
            bytes[place..place + 4].copy_from_slice(&beyond.to_le_bytes());
            Some("do not fit their text")
        }
        1 => {
            // The second byte of a character of two.
            let place = offsets.start + 4 * (1 + below(random, offsets.len() / 4 - 2));
            bytes[place] = bytes[place].wrapping_add(1);
            Some("do not fit their text")
        }
        _ => {
            let place = text.start + below(random, text.len());
            bytes[place] = *pick(random, b"\0\xff\x7f");
            (bytes[place] == 0xff).then_some("is not UTF-8")
        }
    }
}

/// Takes bytes out, doubles them, overwrites them or puts others in.
fn splice(random: &mut Random, bytes: &mut Vec<u8>) {
    let start = below(random, bytes.len());
    let length = below(random, (bytes.len() - start).min(64));
    let part = start..start + length;
    match random.below(4) {
        0 => drop(bytes.drain(part)),
        1 => {
            let copy = bytes[part.clone()].to_vec();
            bytes.splice(part.start..part.start, copy);
        }
        2 => {
            let byte = *pick(random, b"\0\x01\x7f\x80\xff\"{[0");
            bytes[part].fill(byte);
        }
        _ => {
            let noise: Vec<u8> = part.clone().map(|_| random.below(256) as u8).collect();
            bytes.splice(part, noise);
        }
    }
}

fn header(bytes: &[u8]) -> &str {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    std::str::from_utf8(&bytes[8..8 + length]).unwrap()
}

/// The same tensors behind another header.
fn with_header(bytes: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let old = header(bytes);
    let mut new = change(old);
    while !new.len().is_multiple_of(8) {
        new.push(' ');
    }
    [
        &(new.len() as u64).to_le_bytes(),
        new.as_bytes(),
        &bytes[8 + old.len()..],
    ]
    .concat()
}

/// The same file with other metadata of our own.
fn with_metadata(bytes: &[u8], change: impl FnOnce(&str) -> String) -> Vec<u8> {
    with_header(bytes, |header| {
        let mut tree: Value = serde_json::from_str(header).unwrap();
        if let Some(text) = tree["__metadata__"].as_object_mut().unwrap().values_mut().next() {
            *text = change(text.as_str().unwrap()).into();
        }
        tree.to_string()
    })
}

/// Where the bytes of a tensor are.
fn tensor(bytes: &[u8], name: &str) -> std::ops::Range<usize> {
    let header = header(bytes);
    let tree: Value = serde_json::from_str(header).unwrap();
    let offsets = tree[name]["data_offsets"].as_array().unwrap();
    let place = |index: usize| 8 + header.len() + offsets[index].as_u64().unwrap() as usize;
    place(0)..place(1)
}

/// Where the bytes of a tensor are that not every value has.
fn find_tensor(bytes: &[u8], name: &str) -> Option<std::ops::Range<usize>> {
    let name_in_json = format!("\"{name}\":");
    header(bytes).contains(&name_in_json).then(|| tensor(bytes, name))
}

const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "64",
    "255",
    "256",
    "16384",
    "65536",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e999",
    "0.5",
    "-0.0",
    "5e-324",
    "null",
    "\"1\"",
];

/// One number in the text is another.
fn change_number(random: &mut Random, text: &str) -> String {
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let bytes = text.as_bytes();
    let starts: Vec<usize> = (0..bytes.len())
        .filter(|&i| is_digit(bytes[i]) && (i == 0 || !is_digit(bytes[i - 1])))
        .collect();
    let start = *pick(random, &starts);
    let end = (start..bytes.len())
        .find(|&i| !is_digit(bytes[i]))
        .unwrap_or(bytes.len());
    format!("{}{}{}", &text[..start], pick(random, NUMBERS), &text[end..])
}

/// One node of the tree is another, or gone.
fn change_json(random: &mut Random, text: &str) -> String {
    fn size(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(size).sum(),
            Value::Object(fields) => fields.values().map(size).sum(),
            _ => 0,
        }
    }
    fn replace(value: &mut Value, place: &mut usize, with: &Value) {
        if *place == 0 {
            *value = with.clone();
        }
        *place = place.wrapping_sub(1);
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, with)),
            Value::Object(fields) => fields.values_mut().for_each(|item| replace(item, place, with)),
            _ => {}
        }
    }
    let mut tree: Value = serde_json::from_str(text).unwrap();
    let long = "x".repeat(below(random, 4096));
    let nested = (0..below(random, 200)).fold(json!(1), |inner, _| json!([inner]));
    let with = match random.below(10) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!([null, -1, "pv"]),
        4 => json!(long),
        5 => nested,
        6 => json!(""),
        7 => json!(["buy", "buy", "買う", "\u{0}"]),
        8 => json!({"dtype": "F32", "shape": [1u64 << 40, 1u64 << 40], "data_offsets": [0, u64::MAX]}),
        _ => {
            let number = *pick(random, NUMBERS);
            serde_json::from_str(number).unwrap_or(json!(true))
        }
    };
    let mut place = below(random, size(&tree));
    replace(&mut tree, &mut place, &with);
    tree.to_string()
}

/// A `.safetensors` file that another program wrote, some of it named like ours.
fn foreign(random: &mut Random) -> Vec<u8> {
    let names = [
        "embedding.weight",
        "rnn.weight_ih_l0",
        "tokens",
        "lengths",
        "n_train",
        "baseline.grams",
        "conv1",
    ];
    let data: Vec<u8> = (0..8 * random.below(64)).map(|_| random.below(256) as u8).collect();
    let tensors: Vec<(&str, TensorView)> = names
        .iter()
        .filter_map(|&name| {
            let dtype = *pick(random, &[Dtype::F32, Dtype::U32, Dtype::I64, Dtype::F64]);
            let n = data.len() / if matches!(dtype, Dtype::F32 | Dtype::U32) { 4 } else { 8 };
            (random.below(2) == 0).then(|| (name, TensorView::new(dtype, vec![n], &data).unwrap()))
        })
        .collect();
    let metadata = (random.below(2) == 0).then(|| HashMap::from([("format".to_owned(), "pt".to_owned())]));
    safetensors::serialize(tensors, metadata).unwrap()
}

/// A header with thousands of small things in it.
fn stuffed(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let n = below(random, 5000);
    match random.below(5) {
        0 => with_metadata(bytes, |text| {
            let mut tree: Value = serde_json::from_str(text).unwrap();
            tree["vocabulary"] = vec![""; n].into();
            tree.to_string()
        }),
        1 => with_metadata(bytes, |text| {
            let mut tree: Value = serde_json::from_str(text).unwrap();
            tree["training"]["settings"] = vec![0; n].into();
            tree["run"] = vec![Value::Null; n].into();
            tree.to_string()
        }),
        2 => with_metadata(bytes, |text| {
            let mut tree: Value = serde_json::from_str(text).unwrap();
            tree["vocabulary"] = (0..n).map(|name| name.to_string()).collect();
            tree["architecture"]["vocabulary"] = n.into();
            tree.to_string()
        }),
        3 => with_header(bytes, |text| {
            let mut tree: Value = serde_json::from_str(text).unwrap();
            for name in 0..n {
                tree[name.to_string()] = json!({"dtype": "U8", "shape": [0], "data_offsets": [0, 0]});
            }
            tree.to_string()
        }),
        _ => with_header(bytes, |text| {
            let mut tree: Value = serde_json::from_str(text).unwrap();
            for tensor in ["rnn.bias_hh_l0", "lengths"] {
                if tree[tensor].is_object() {
                    tree[tensor]["shape"] = vec![1; n].into();
                }
            }
            tree.to_string()
        }),
    }
}

/// What became of the cases.
#[derive(Default)]
struct Tally {
    decoded: u64,
    refused: u64,
    most_held: usize,
    most_of_allowed: f64,
    longest: Duration,
    kinds: HashMap<&'static str, u64>,
}

impl Tally {
    /// Decodes, and checks the memory on the way; `n_header` of the bytes are the header.
    fn decode<T>(
        &mut self,
        (n_header, n_bytes): (usize, usize),
        what: &str,
        body: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, String> {
        let (result, held) = measured(|| body().map_err(|error| error.to_string()));
        let allowed = PER_HEADER_BYTE * n_header + PER_BYTE * (n_bytes - n_header) + BESIDE;
        assert!(
            held <= allowed,
            "{held} bytes were held to read a {what} of {n_bytes} bytes, {n_header} of them header"
        );
        self.most_held = self.most_held.max(held);
        self.most_of_allowed = self.most_of_allowed.max(held as f64 / allowed as f64);
        match &result {
            Ok(_) => self.decoded += 1,
            Err(error) => {
                self.refused += 1;
                assert!(!error.is_empty() && error.len() < 20_000, "{what}: {error}");
            }
        }
        result
    }
}

/// A model that was accepted must serve.
fn use_model(model: &Model, dataset: &Dataset) {
    let prepared = Fused::new(model.architecture)
        .unwrap()
        .prepare(&model.parameters)
        .unwrap();
    let n_actions = model.vocabulary.len();
    let last = Token((n_actions - 1) as u32);
    let mut history = TokenList::new(n_actions);
    [last, Token(0), last].into_iter().for_each(|token| history.push(token));
    let history = history.tokens();
    let probabilities = prepared
        .predict(&[history.slice(..0), history.slice(1..2), history], 1)
        .unwrap();
    assert_eq!(probabilities.len(), 3 * n_actions);
    let mut state = vec![0.0; model.architecture.n_state()];
    prepared.advance(&mut state, last, &mut vec![0.0; n_actions]).unwrap();
    for baseline in Baseline::ALL {
        let predictor = Predictor::new(baseline, &model.counts);
        assert_eq!(predictor.probabilities(history).len(), n_actions);
    }
    if dataset.vocabulary() == &model.vocabulary {
        let own_history = own_history::Predictor::new(model.own_history, &model.counts);
        let piece = evaluate::Piece::score(dataset, &prepared, &own_history, &mut Place::default(), 1).unwrap();
        evaluate::scored(dataset, std::iter::once(&piece.to_bytes()[..]), 1).unwrap();
    }
    let again = Model::from_bytes(&model.to_bytes(None).unwrap()).unwrap();
    assert_eq!(again.parameters, model.parameters);
}

fn use_dataset(dataset: &Dataset) {
    for sequence in dataset.sequences() {
        assert!(sequence.tokens.len() >= 2 && sequence.n_train <= sequence.tokens.len());
    }
    let counts = Counts::of_training(dataset);
    assert_eq!(counts.targets_by_action().iter().sum::<u64>(), counts.n_targets());
    evaluate::baseline(dataset, &counts, Baseline::Markov3);
    if let Ok(settings) = Settings::from_json(json!({"hidden": 2, "embedding": 2, "epochs": 1}))
        && let Ok(mut trainer) = Trainer::start(dataset, settings, None)
    {
        trainer.advance(dataset, 1, None, &mut |_| {}).unwrap();
    }
}

fn try_bytes(case: &Case, dataset: &Dataset, tally: &mut Tally) {
    let Case { bytes, refused, kind } = case;
    let claimed = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    let n_header = usize::try_from(claimed).map_or(0, |claimed| claimed.saturating_add(8));
    let size = (n_header.min(bytes.len()), bytes.len());
    let model = tally.decode(size, "model", || Model::from_bytes(bytes));
    let trainer = tally.decode(size, "state", || Trainer::from_bytes(bytes));
    let read = tally.decode(size, "dataset", || Dataset::from_bytes(bytes));
    if let Some(reason) = refused {
        let errors = [model.as_ref().err(), trainer.as_ref().err(), read.as_ref().err()];
        assert!(errors.iter().all(Option::is_some), "{kind} was accepted");
        assert!(
            errors.iter().flatten().any(|error| error.contains(reason)),
            "{kind}: {errors:?}"
        );
    }
    if let Ok(model) = model {
        use_model(&model, dataset);
    }
    if let Ok(mut trainer) = trainer {
        // A state that was accepted trains on or says why not.
        let _ = trainer.advance(dataset, 1, Some(Instant::now()), &mut |_| {});
        trainer.to_bytes().unwrap();
    }
    if let Ok(read) = read {
        use_dataset(&read);
    }
}

/// Pieces of an evaluation, now and then whole, mostly with other bytes, too few or too many, or more than one.
fn try_pieces(random: &mut Random, corpus: &Corpus, dataset: &Dataset, tally: &mut Tally) {
    let mut pieces = Vec::new();
    for _ in 0..1 + below(random, 4) / 3 {
        let mut piece = corpus.piece.clone();
        for _ in 0..below(random, 6) {
            let place = below(random, piece.len());
            piece[place] = *pick(random, &[0, 1, 0x7f, 0x80, 0xff]);
        }
        if random.below(4) == 0 {
            let length = below(random, 2 * piece.len());
            piece.resize(length, 0xff);
        }
        pieces.push(piece);
    }
    let size = (0, pieces.iter().map(Vec::len).sum());
    let report = tally.decode(size, "piece", || {
        evaluate::scored(dataset, pieces.iter().map(Vec::as_slice), 1)
    });
    if let Ok(report) = report {
        let n = report.unwrap().map(|evaluation| evaluation.report.n);
        assert_eq!(n, [dataset.n_held_out_targets() as u64; 2]);
    }
}

/// A model of items with other bytes, or fewer, or other numbers in what stands before them.
fn try_items(random: &mut Random, corpus: &Corpus, tally: &mut Tally) {
    let mut bytes = pick(random, &corpus.items).clone();
    match random.below(6) {
        0 => bytes.truncate(below(random, bytes.len())),
        1 => splice(random, &mut bytes),
        2 => bytes = with_header(&bytes, |header| change_number(random, header)),
        3 => bytes = with_metadata(&bytes, |metadata| change_number(random, metadata)),
        4 => bytes = with_metadata(&bytes, |metadata| change_json(random, metadata)),
        _ => {
            let names = [
                "ids.numbers",
                "ids.ends",
                "ids.texts",
                "counts",
                "counts.order",
                "recent",
                "rules.ends",
                "rules.next",
            ];
            let more = [
                "rules.weights",
                "rules.totals",
                "recent.order",
                "network.items",
                "network.vectors",
                "network.weights",
            ];
            let all: Vec<_> = names
                .iter()
                .chain(&more)
                .filter_map(|name| find_tensor(&bytes, name))
                .collect();
            let part = pick(random, &all).clone();
            let place = part.start + below(random, part.len());
            bytes[place] = *pick(random, &[0, 1, 2, 0x7f, 0x80, 0xff]);
        }
    }
    let claimed = bytes.first_chunk().map_or(0, |length| u64::from_le_bytes(*length));
    let n_header = usize::try_from(claimed).map_or(0, |claimed| claimed.saturating_add(8));
    let size = (n_header.min(bytes.len()), bytes.len());
    if let Ok(model) = tally.decode(size, "items", || ItemModel::from_bytes(&bytes)) {
        let n_items = model.ids.len();
        let mut room = Room::new(n_items);
        let wanted = Wanted {
            k: n_items,
            hides_own: random.below(2) == 0,
            hidden: &[0],
            among: None,
        };
        let history = [0, n_items as u32 - 1, 0].map(Event::from_word);
        for history in [&history[..], &[]] {
            let shown = model.recommend(history, &wanted, &mut room);
            assert!(
                shown.iter().all(|(score, _)| score.is_finite() && *score >= 0.0),
                "{shown:?}"
            );
        }
        assert!(
            model
                .similar(0, 9)
                .iter()
                .all(|(share, _)| (0.0..=1.001).contains(share))
        );
        assert_eq!(
            model
                .to_bytes()
                .and_then(|bytes| ItemModel::from_bytes(&bytes))
                .unwrap()
                .ids,
            model.ids
        );
    }
}

const COORDINATES: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    3.0,
    1e-300,
    5e-324,
    1e140,
    1e308,
    -1e308,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

/// Numbers of which most are good.
fn numbers(random: &mut Random, n: usize) -> Vec<f64> {
    let wild = random.below(3) == 0;
    let mut number = || match random.below(8) {
        0 if wild => *pick(random, COORDINATES),
        _ => random.uniform() * 10.0,
    };
    (0..n).map(|_| number()).collect()
}

fn try_segments(random: &mut Random, tally: &mut Tally) {
    let (k, d) = (below(random, 5), below(random, 4));
    let off = |random: &mut Random, n: usize| (n + below(random, 3)).saturating_sub(1);
    let log = random.below(2) == 0;
    let n_centroids = if random.below(4) == 0 {
        off(random, k * d)
    } else {
        k * d
    };
    let centroids = numbers(random, n_centroids);
    let scale = numbers(random, d);
    let size = (0, 8 * (centroids.len() + scale.len()));
    let assigner = tally.decode(size, "clustering", || {
        Assigner::from_parts(&centroids, &scale, log).map_err(|error| Error::argument("model", error, ""))
    });
    if let Ok(assigner) = assigner {
        let (cluster, square) = assigner.assign(&vec![1.0; d]);
        assert!(
            cluster < assigner.k() && !square.is_nan(),
            "{centroids:?} {scale:?} {log}: {cluster} {square}"
        );
    }
    let weights = numbers(random, k);
    let means = numbers(random, k * d);
    let n_covariances = if random.below(4) == 0 {
        off(random, k * d * d)
    } else {
        k * d * d
    };
    let mut covariances = numbers(random, n_covariances);
    // Mostly positive definite.
    for (index, value) in covariances.iter_mut().enumerate() {
        if d > 0 && (index % (d * d)) % (d + 1) != 0 && random.below(4) > 0 {
            *value = 0.0;
        }
    }
    let size = (0, 8 * (weights.len() + means.len() + covariances.len()));
    let mixture = tally.decode(size, "mixture", || {
        Membership::from_parts(&weights, &means, &covariances, log).map_err(|error| Error::argument("model", error, ""))
    });
    if let Ok(mixture) = mixture {
        let shares = mixture.probabilities(&vec![1.0; d]);
        assert!(
            shares.iter().all(|share| (0.0..=1.0).contains(share)),
            "{weights:?} {means:?} {covariances:?} {log}: {shares:?}"
        );
    }
}

/// Texts that would be markup, a script, or a lie about what they say.
const HOSTILE: &[&str] = &[
    "",
    " ",
    "pv",
    "<script>alert(1)</script>",
    "</title></svg></style></script><img src=x onerror=alert(1)>",
    "\" onload=\"alert(1)\" x='",
    "]]><![CDATA[<",
    "<!--",
    "&lt;b&gt;&#x3c;script&#x3e;",
    "javascript:alert(1)",
    "\u{202e}gnp.exe\u{2066}",
    "a\0b\u{1b}[31m\u{7f}\u{85}\r\n",
    "\u{feff}e\u{301}\u{1f6d2}買う",
    "--></pre></code>",
];

fn hostile_text(random: &mut Random) -> Value {
    let text = *pick(random, HOSTILE);
    match random.below(12) {
        0 => json!(text.repeat(1 + below(random, 400))),
        1 => json!("W".repeat(below(random, 5000))),
        2 => Value::Null,
        _ => json!(text),
    }
}

fn hostile_number(random: &mut Random) -> Value {
    match random.below(12) {
        0 => json!(*pick(random, &["nan", "inf", "-inf", "-nan", "Infinity"])),
        1 => json!(*pick(
            random,
            &[0.0, -0.0, 5e-324, 1e-310, 1e300, f64::MAX, f64::MIN, -1e308]
        )),
        2 => Value::Null,
        3 => json!(i64::MIN),
        4 => json!(u64::MAX),
        _ => json!((random.uniform() - 0.3) * 10f64.powi(below(random, 9) as i32)),
    }
}

/// A chart as it comes from SQL, now and then with a field of another type, one that there is not, or with too many marks.
fn hostile_chart(random: &mut Random) -> Value {
    const KINDS: &[&str] = &[
        "bars",
        "dots",
        "columns",
        "lines",
        "heat_map",
        "grid",
        "funnel",
        "bubbles",
        "parts",
        "calibration",
        "curves",
    ];
    let n_marks = match random.below(20) {
        0 => 400 + below(random, 102),
        n => below(random, 3 * n as usize),
    };
    let marks: Vec<Value> = (0..n_marks)
        .map(|_| {
            let mut mark = serde_json::Map::new();
            for name in ["series", "label", "note"] {
                mark.insert(name.into(), hostile_text(random));
            }
            for name in ["x", "y", "low", "high", "size"] {
                mark.insert(name.into(), hostile_number(random));
            }
            mark.insert("strong".into(), json!(random.below(2) == 0));
            mark.into()
        })
        .collect();
    let mut chart = serde_json::Map::new();
    for name in [
        "section",
        "name",
        "headline",
        "caption",
        "x_label",
        "y_label",
        "reference_label",
        "sql",
    ] {
        chart.insert(name.into(), hostile_text(random));
    }
    chart.insert("kind".into(), json!(pick(random, KINDS)));
    chart.insert("format".into(), json!(pick(random, &["number", "percent", "ratio"])));
    chart.insert("place".into(), hostile_number(random));
    chart.insert("reference".into(), hostile_number(random));
    chart.insert("marks".into(), marks.into());
    if random.below(12) == 0 {
        let name = *pick(random, &["kind", "marks", "headline", "<b>", "reference"]);
        let other = [json!([]), json!({"series": [1]}), json!(7), hostile_text(random)];
        chart.insert(name.into(), pick(random, &other).clone());
    }
    chart.into()
}

/// What a browser would take for markup in a page that is none of ours, and letters that are not shown as they are.
fn check_page(page: &str) {
    assert!(page.len() <= page::MAX_BYTES);
    let count = |part: &str| page.matches(part).count();
    assert_eq!((count("<script"), count("<style"), count("<title>")), (1, 1, 1));
    for foreign in [
        "<img",
        "<iframe",
        "<b>",
        "<!--",
        "<![CDATA[",
        " onload=\"",
        " onerror=\"",
    ] {
        assert_eq!(count(foreign), 0, "{foreign}");
    }
    check_letters(page);
}

fn check_letters(text: &str) {
    let is_hidden = |letter: char| letter.is_control() && letter != '\n' || "\u{202e}\u{2066}".contains(letter);
    assert!(
        !text.contains(is_hidden),
        "{:?}",
        text.chars().find(|&letter| is_hidden(letter))
    );
}

/// Bytes of memory that a page may take while it is drawn.
const FOR_A_PAGE: usize = 64 << 20;

fn try_page(random: &mut Random) -> bool {
    let most = if random.below(20) == 0 { 27 } else { 5 };
    let n_charts = below(random, most);
    let given: Vec<Value> = (0..n_charts).map(|_| hostile_chart(random)).collect();
    let title = hostile_text(random);
    let draw = || -> Result<String, Error> {
        let charts: Vec<Chart> = given
            .iter()
            .map(|chart| Chart::read("charts", chart))
            .collect::<Result<_, _>>()?;
        for chart in &charts {
            let svg = page::svg(chart, 200.0);
            assert!(svg.matches("<svg").count() == 1 && !svg.contains("NaN\"") && !svg.contains("\"inf"));
            check_letters(&svg);
            check_letters(&plain::text(chart, 26));
        }
        page::page(charts, title.as_str().unwrap_or_default())
    };
    let (page, most) = measured(draw);
    assert!(most <= FOR_A_PAGE, "{most} bytes");
    match page {
        Ok(page) => check_page(&page),
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
    n_charts > 0
}

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number of cases"))
}

#[test]
fn damaged_values_end_in_a_value_or_an_error() {
    let (first, n_cases) = (
        number_from("FOOTFALL_FUZZ_FIRST", 0),
        number_from("FOOTFALL_FUZZ_CASES", CASES),
    );
    let corpus = Corpus::new();
    let dataset = Dataset::from_bytes(&corpus.datasets[0]).unwrap();
    let mut tally = Tally::default();
    for number in first..first + n_cases {
        let mut random = Random::for_purpose(number, "fuzz");
        let case = case(&mut random, &corpus);
        let started = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            try_bytes(&case, &dataset, &mut tally);
            try_segments(&mut random, &mut tally);
            try_pieces(&mut random, &corpus, &dataset, &mut tally);
            try_items(&mut random, &corpus, &mut tally);
        }));
        let took = started.elapsed();
        assert!(outcome.is_ok(), "case {number}, {}", case.kind);
        assert!(took < LONGEST, "case {number}, {}, took {took:?}", case.kind);
        tally.longest = tally.longest.max(took);
        *tally.kinds.entry(case.kind).or_default() += 1;
    }
    let mut kinds: Vec<_> = tally.kinds.into_iter().collect();
    kinds.sort_unstable();
    println!(
        "{n_cases} cases: {} values decoded, {} refused; at most {} bytes were held, {:.0} % of what is allowed; \
         the longest took {:?}\n{kinds:?}",
        tally.decoded,
        tally.refused,
        tally.most_held,
        100.0 * tally.most_of_allowed,
        tally.longest
    );
}

/// Charts of whatever texts and numbers end in a page that runs nothing of them, or in an error of one line.
#[test]
fn charts_of_anything_end_in_a_page_or_an_error() {
    let (first, n_cases) = (
        number_from("FOOTFALL_FUZZ_FIRST", 0),
        number_from("FOOTFALL_FUZZ_CASES", CASES) / 10,
    );
    let mut n_drawn = 0;
    for number in first..first + n_cases {
        let started = Instant::now();
        let mut random = Random::for_purpose(number, "page");
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| try_page(&mut random)));
        assert!(outcome.is_ok(), "case {number}");
        n_drawn += u64::from(outcome.is_ok_and(|is_drawn| is_drawn));
        assert!(
            started.elapsed() < LONGEST,
            "case {number} took {:?}",
            started.elapsed()
        );
    }
    println!("{n_drawn} of {n_cases} pages had charts");
}
