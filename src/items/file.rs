//! A model of items as bytes: a `.safetensors` file with a tensor for each thing that is known of every item, so that millions are
//! read in milliseconds. A network is three further tensors, its sizes, and another `architecture`: format 2, while what has none stays format 1.

use super::followers::UNIT;
use super::histories::MAX_ITEMS;
use super::ids::{Ids, Texts};
use super::mixture::Mixture;
use super::model::{About, Followers, ItemModel, recent_counts};
use super::network::{Network, Shape};
use super::popularity::Popularity;
use crate::error::Error;
use crate::format::{File, Format};
use crate::limits::{MAX_LIST, MAX_WINDOW};
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const FORMAT: Format = Format {
    argument: "model",
    key: "footfall_items",
    version: 2,
};
/// The first one, of models without a network.
const WITHOUT_NETWORK: u32 = 1;
/// No total of weights is larger: its units are a u64.
const LARGEST_TOTAL: f64 = u64::MAX as f64 / UNIT as f64 / 2.0;
/// Weights are rounded, and their total is not.
const ROUNDING: f64 = 1.001;
const NUMBERS: &str = "ids.numbers";
const TEXTS: &str = "ids.texts";
const PLACES: &str = "network.items";
const VECTORS: &str = "network.vectors";
const OTHERS: &str = "network.weights";

/// Which network stands beside what was counted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Architecture {
    None,
    Sasrec,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format_version: u32,
    architecture: Architecture,
    mixture: Mixture,
    about: About,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<Shape>,
}

/// Numbers as little-endian bytes.
macro_rules! bytes_of {
    ($numbers:expr) => {
        $numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect::<Vec<u8>>()
    };
}

/// A tensor of numbers of a type that has so many bytes.
macro_rules! numbers {
    ($file:expr, $name:expr, $dtype:ident, $rust:ty) => {{
        let tensor = FORMAT.tensor($file, $name, Dtype::$dtype)?;
        let (words, _) = tensor.data().as_chunks();
        words
            .iter()
            .map(|&word| <$rust>::from_le_bytes(word))
            .collect::<Vec<$rust>>()
    }};
}

impl ItemModel {
    /// The bytes that [`ItemModel::from_bytes`] reads.
    ///
    /// # Errors
    /// More than a BLOB can hold.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let metadata = Metadata {
            format_version: self.network.as_ref().map_or(WITHOUT_NETWORK, |_| FORMAT.version),
            architecture: self
                .network
                .as_ref()
                .map_or(Architecture::None, |_| Architecture::Sasrec),
            mixture: self.mixture,
            about: self.about.clone(),
            network: self.network.as_ref().map(Network::shape),
        };
        let metadata = serde_json::to_string(&metadata).map_err(|error| FORMAT.damaged(error))?;
        let mut tensors = match &self.ids {
            Ids::Numbers(numbers) => vec![(NUMBERS, Dtype::I64, bytes_of!(numbers))],
            Ids::Texts(texts) => {
                let (ends, bytes) = texts.parts();
                vec![
                    (TEXTS, Dtype::U8, bytes.to_vec()),
                    ("ids.ends", Dtype::U64, bytes_of!(ends)),
                ]
            }
        };
        let Followers {
            ends,
            next,
            weights,
            totals,
        } = &self.followers;
        tensors.extend([
            ("counts", Dtype::U32, bytes_of!(self.counts)),
            ("counts.order", Dtype::U32, bytes_of!(self.all.order())),
            ("rules.ends", Dtype::U64, bytes_of!(ends)),
            ("rules.next", Dtype::U32, bytes_of!(next)),
            ("rules.weights", Dtype::F32, bytes_of!(weights)),
            ("rules.totals", Dtype::F64, bytes_of!(totals)),
        ]);
        if let Some(recent) = &self.recent {
            tensors.push(("recent", Dtype::U32, bytes_of!(self.n_recent)));
            tensors.push(("recent.order", Dtype::U32, bytes_of!(recent.order())));
        }
        if let Some(network) = &self.network {
            let [vectors, others] = network.weights();
            tensors.extend([
                (PLACES, Dtype::U32, bytes_of!(network.places())),
                (VECTORS, Dtype::F32, bytes_of!(vectors)),
                (OTHERS, Dtype::F32, bytes_of!(others)),
            ]);
        }
        let n_bytes: usize = tensors.iter().map(|(.., bytes)| bytes.len()).sum();
        if n_bytes > u32::MAX as usize - (1 << 16) {
            let found = format!("{}, with which the model has {n_bytes} bytes", self.about.top);
            return Err(Error::argument(
                "top",
                found,
                "so many rules of an item that it has less than 4 GB",
            ));
        }
        let views = tensors.iter().map(|(name, dtype, bytes)| {
            let shape = vec![bytes.len() * 8 / dtype.bitsize()];
            TensorView::new(*dtype, shape, bytes).map(|view| (*name, view))
        });
        let views = views
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| FORMAT.damaged(error))?;
        safetensors::serialize(views, Some(HashMap::from([(FORMAT.key.to_owned(), metadata)])))
            .map_err(|error| FORMAT.damaged(error))
    }

    /// Reads and checks what [`ItemModel::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] for anything else, [`Error::Newer`] for a later format.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (metadata, file): (Metadata, _) = FORMAT.open(bytes)?;
        let About { window, top, .. } = metadata.about;
        let is_allowed = (1..=MAX_WINDOW).contains(&window) && (1..=MAX_LIST).contains(&top);
        let is_learned = metadata.network.is_some();
        let fits = is_learned == (metadata.architecture == Architecture::Sasrec)
            && (is_learned || metadata.mixture.network == 0.0);
        if !is_allowed || !fits || !metadata.mixture.is_sound() {
            return Err(FORMAT.damaged("it has shares or sizes that are none"));
        }
        let ids = read_ids(&file)?;
        let (counts, order) = (
            numbers!(&file, "counts", U32, u32),
            numbers!(&file, "counts.order", U32, u32),
        );
        let n_items = ids.len();
        if n_items == 0 || n_items >= MAX_ITEMS as usize || counts.len() != n_items || counts.contains(&0) {
            return Err(FORMAT.damaged("its items and their counts do not fit"));
        }
        let unordered = || FORMAT.damaged("its items are not in the order of their popularity");
        let all = counts.iter().map(|&n| f64::from(n)).collect();
        let all = Popularity::ordered(all, order).ok_or_else(unordered)?;
        let mut n_recent = vec![0; n_items];
        let mut recent = None;
        if file.holds("recent") {
            n_recent = numbers!(&file, "recent", U32, u32);
            let order = numbers!(&file, "recent.order", U32, u32);
            let is_part = n_recent.len() == n_items && n_recent.iter().zip(&counts).all(|(recent, all)| recent <= all);
            let popularity = is_part.then(|| Popularity::ordered(recent_counts(&counts, &n_recent), order));
            recent = Some(popularity.flatten().ok_or_else(unordered)?);
        }
        Ok(Self {
            network: metadata
                .network
                .map(|shape| read_network(&file, shape, n_items))
                .transpose()?,
            mixture: metadata.mixture,
            about: metadata.about,
            followers: read_followers(&file, n_items)?,
            ids,
            counts,
            n_recent,
            all,
            recent,
        })
    }
}

fn read_ids(file: &File) -> Result<Ids, Error> {
    let ids = if file.holds(NUMBERS) {
        Some(Ids::Numbers(numbers!(file, NUMBERS, I64, i64)))
    } else {
        let bytes = FORMAT.tensor(file, TEXTS, Dtype::U8)?.data().to_vec();
        Texts::new(numbers!(file, "ids.ends", U64, u64), bytes).map(Ids::Texts)
    };
    let ids = ids.filter(Ids::are_ascending);
    ids.ok_or_else(|| FORMAT.damaged("its items are not in the order of their names"))
}

fn read_network(file: &File, shape: Shape, n_items: usize) -> Result<Network, Error> {
    let (vectors, others) = (numbers!(file, VECTORS, F32, f32), numbers!(file, OTHERS, F32, f32));
    let network = Network::new(shape, &vectors, &others, numbers!(file, PLACES, U32, u32), n_items);
    network.ok_or_else(|| FORMAT.damaged("its network does not fit its items"))
}

fn read_followers(file: &File, n_items: usize) -> Result<Followers, Error> {
    let followers = Followers {
        ends: numbers!(file, "rules.ends", U64, u64),
        next: numbers!(file, "rules.next", U32, u32),
        weights: numbers!(file, "rules.weights", F32, f32),
        totals: numbers!(file, "rules.totals", F64, f64),
    };
    let Followers {
        ends,
        next,
        weights,
        totals,
    } = &followers;
    let n_rules = next.len();
    let is_whole = ends.len() == n_items
        && totals.len() == n_items
        && weights.len() == n_rules
        && ends.is_sorted()
        && ends.last() == Some(&(n_rules as u64));
    let is_sound = is_whole
        && next.iter().all(|&item| (item as usize) < n_items)
        && weights.iter().all(|&weight| weight > 0.0)
        && (0..n_items).all(|item| {
            let sum: f64 = followers.of(item).map(|(_, weight)| weight).sum();
            totals[item] <= LARGEST_TOTAL && sum <= totals[item] * ROUNDING
        });
    if is_sound {
        return Ok(followers);
    }
    Err(FORMAT.damaged("its rules do not fit its items"))
}
