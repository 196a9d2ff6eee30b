//! A network that has learned, as it is asked.

use super::blocks::{Rows, Tape, Weights, forward};
use super::kernels::Machine;
use super::shape::Shape;
use super::softmax::{Catalogue, width};
use crate::compute::buffer::Buffer;

/// What a catalogue has at the place of an item that the network does not know.
const UNKNOWN: u32 = u32::MAX;
/// Larger weights are of no training, and smaller ones give finite numbers throughout.
const LARGEST: f32 = 1e6;

/// A network, and the place of each of its items in the catalogue of what asks it.
#[derive(Clone)]
pub struct Network {
    shape: Shape,
    vectors: Buffer,
    others: Buffer,
    catalogue: Catalogue,
    places: Vec<u32>,
    /// By place the item, or [`UNKNOWN`].
    items: Vec<u32>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Network({:?})", self.shape)
    }
}

impl Network {
    /// Of vectors of items and other weights, as [`Shape`] has them, of items with these places in a catalogue of so many; nothing where they do
    /// not fit each other.
    pub fn new(shape: Shape, vectors: &[f32], others: &[f32], places: Vec<u32>, n_in_catalogue: usize) -> Option<Self> {
        let is_whole = shape.is_sound()
            && shape.n_of_items() == vectors.len()
            && shape.n_weights() == others.len()
            && shape.n_items == places.len();
        if !is_whole || !vectors.iter().chain(others).all(|x| x.abs() <= LARGEST) {
            return None;
        }
        let mut items = vec![UNKNOWN; n_in_catalogue];
        for (item, &place) in places.iter().enumerate() {
            let of_place = items.get_mut(place as usize).filter(|of_place| **of_place == UNKNOWN)?;
            *of_place = item as u32;
        }
        let mut catalogue = Catalogue::default();
        catalogue.fill(Machine::best(), 1, &shape, vectors);
        Some(Self {
            shape,
            vectors: copy(vectors),
            others: copy(others),
            catalogue,
            places,
            items,
        })
    }

    /// The sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The place in the catalogue of each of its items.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// The vectors of all items, and all other weights.
    pub fn weights(&self) -> [&[f32]; 2] {
        [
            &self.vectors[..self.shape.n_of_items()],
            &self.others[..self.shape.n_weights()],
        ]
    }

    /// Reads histories of places in the catalogue, of which those that the network does not know are left out, and makes the probabilities of its items
    /// behind each.
    pub fn ask(&self, histories: &[Vec<u32>], room: &mut Room) {
        let Room {
            rows,
            tape,
            lasts,
            results,
            probabilities,
        } = room;
        rows.clear();
        lasts.clear();
        for history in histories {
            let known = |&place: &u32| self.items.get(place as usize).copied().filter(|&item| item != UNKNOWN);
            let mut items: Vec<u32> = history
                .iter()
                .rev()
                .filter_map(known)
                .take(self.shape.max_length)
                .collect();
            items.reverse();
            if items.is_empty() {
                lasts.push(None);
            } else {
                rows.push(&items);
                lasts.push(Some(rows.lengths.len() - 1));
            }
        }
        let weights = Weights {
            shape: &self.shape,
            items: &self.vectors,
            others: &self.others,
        };
        let machine = Machine::best();
        forward(machine, weights, rows, None, tape);
        let d = self.shape.dim;
        results.clear();
        let mut end = 0;
        for length in &rows.lengths {
            end += length;
            results.extend_from_slice(&tape.result()[(end - 1) * d..end * d]);
        }
        probabilities.resize(rows.lengths.len() * width(&self.shape), 0.0);
        self.catalogue
            .probabilities(machine, &self.shape, results, probabilities);
    }

    /// The places of its items and the probability of each behind history `number` of those that it was asked last; nothing where it knows no item of it.
    pub fn answer<'a>(&'a self, number: usize, room: &'a Room) -> Option<impl Iterator<Item = (u32, f64)> + 'a> {
        let width = width(&self.shape);
        let row = (*room.lasts.get(number)?)?;
        let of_row = &room.probabilities[row * width..row * width + self.places.len()];
        Some(self.places.iter().zip(of_row).map(|(&place, &p)| (place, f64::from(p))))
    }
}

fn copy(numbers: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeros(numbers.len());
    buffer[..numbers.len()].copy_from_slice(numbers);
    buffer
}

/// What a thread needs to ask a network.
#[derive(Default)]
pub struct Room {
    rows: Rows,
    tape: Tape,
    /// Of each history its row of probabilities.
    lasts: Vec<Option<usize>>,
    results: Vec<f32>,
    probabilities: Vec<f32>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Room({} histories)", self.lasts.len())
    }
}
