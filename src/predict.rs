//! The distribution after each of many histories, for a moment at a time.

use crate::compute::parallel;
use crate::error::Error;
use crate::evaluate::{ALONE, Place, WORK, foreign_state};
use crate::network::Prepared;
use crate::sequence::Tokens;
use crate::sequence::token::Width;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Histories that go through a network together on one thread: with more of them more begin alike.
const TOGETHER: usize = 2048;
/// A [`piece`] takes nothing new when it has worked for so long.
const PIECE_TIME: Duration = Duration::from_millis(200);
/// A long history is fed in so many parts as its share of [`WORK`] has.
const PARTS: usize = 4;

/// Encoded histories in the order of their rows, as one value: their number, at which byte behind these numbers each of
/// them ends, and their tokens; numbers as 8 bytes, little-endian. Which width the tokens have, the model says.
#[derive(Clone, Copy, Debug)]
pub struct Histories<'a> {
    ends: &'a [[u8; 8]],
    tokens: Tokens<'a>,
}

impl<'a> Histories<'a> {
    /// Packs histories, the bytes of the tokens of each with its place, 0 to n - 1.
    ///
    /// # Errors
    /// [`Error::Argument`] when two have one place.
    pub fn pack(histories: &[(usize, &[u8])]) -> Result<Vec<u8>, Error> {
        let mut in_order: Vec<Option<&[u8]>> = vec![None; histories.len()];
        for &(place, tokens) in histories {
            let slot = in_order.get_mut(place).filter(|slot| slot.is_none());
            *slot.ok_or_else(|| Error::argument("histories", format!("place {place}"), "each of 0 to n - 1 once"))? =
                Some(tokens);
        }
        let n_tokens: usize = histories.iter().map(|(_, tokens)| tokens.len()).sum();
        let mut bytes = Vec::with_capacity(8 * (1 + histories.len()) + n_tokens);
        bytes.extend((histories.len() as u64).to_le_bytes());
        let mut end = 0;
        for tokens in in_order.iter().flatten() {
            end += tokens.len() as u64;
            bytes.extend(end.to_le_bytes());
        }
        in_order
            .iter()
            .flatten()
            .for_each(|tokens| bytes.extend_from_slice(tokens));
        Ok(bytes)
    }

    /// Those that [`Histories::pack`] packed, of tokens of this width.
    ///
    /// # Errors
    /// [`Error::Argument`] for other bytes.
    pub fn from_bytes(bytes: &'a [u8], width: Width) -> Result<Self, Error> {
        Self::parse(bytes, width)
            .ok_or_else(|| Error::argument("histories", "a BLOB with other bytes", "the value of pack_histories"))
    }

    fn parse(bytes: &'a [u8], width: Width) -> Option<Self> {
        let (n, rest) = bytes.split_first_chunk()?;
        let n_bytes = usize::try_from(u64::from_le_bytes(*n)).ok()?.checked_mul(8)?;
        let (ends, tokens) = rest.split_at_checked(n_bytes)?;
        let histories = Self {
            ends: ends.as_chunks().0,
            tokens: Tokens::from_bytes(width, tokens)?,
        };
        let mut ends = histories.ends.iter().map(|end| u64::from_le_bytes(*end));
        let is_whole = |end: u64| end.is_multiple_of(width.bytes() as u64);
        let last = ends.try_fold(0, |before, end| (before <= end && is_whole(end)).then_some(end))?;
        (last == tokens.len() as u64).then_some(histories)
    }

    /// Number of histories.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The tokens of a history.
    pub fn tokens(&self, index: usize) -> Tokens<'a> {
        let width = self.tokens.width().bytes();
        let end = |index: usize| u64::from_le_bytes(self.ends[index]) as usize / width;
        let start = index.checked_sub(1).map_or(0, end);
        self.tokens.slice(start..end(index))
    }

    /// As many from `first` on as a thread takes at once, up to a long one.
    fn together(&self, first: usize, pace: &Pace) -> Range<usize> {
        let (mut end, mut sum) = (first, 0);
        while end < self.len().min(first + TOGETHER) && sum < pace.n_steps && self.tokens(end).len() < pace.long() {
            sum += self.tokens(end).len();
            end += 1;
        }
        first..end
    }
}

/// The distributions after the next histories from `place` on, a row of the vocabulary's length each, and moves `place`
/// to what is left: for a fraction of a second, on as many threads as there are processors for. An empty history has the
/// distribution of a state of zeros. The rows are those of [`Prepared::predict`], wherever a piece ends, also where that
/// is in the middle of a long history.
///
/// # Errors
/// When the place is none of these histories and network, or a token is none of it.
pub fn piece(histories: &Histories, network: &Prepared, place: &mut Place, threads: usize) -> Result<Vec<f32>, Error> {
    let pace = Pace {
        n_steps: (WORK / network.architecture().n_parameters().max(1)).max(ALONE * PARTS),
        threads: threads.min(std::thread::available_parallelism().map_or(1, usize::from)),
        until: Instant::now() + PIECE_TIME,
    };
    piece_at(&pace, histories, network, place)
}

/// How far a [`piece`] goes.
struct Pace {
    /// Steps that a thread takes at once, those of a sequence alone counted as [`ALONE`].
    n_steps: usize,
    threads: usize,
    until: Instant,
}

impl Pace {
    /// A history of so many steps is fed in parts.
    fn long(&self) -> usize {
        self.n_steps / ALONE
    }
}

fn piece_at(pace: &Pace, histories: &Histories, network: &Prepared, place: &mut Place) -> Result<Vec<f32>, Error> {
    let mut rows = Vec::new();
    while place.next < histories.len() {
        let tokens = histories.tokens(place.next);
        if tokens.len() >= pace.long() {
            rows.extend(feed(tokens, network, place, pace.long() / PARTS)?);
        } else if place.n_fed > 0 {
            return Err(foreign_state());
        } else {
            rows.extend(predict(pace, histories, network, place)?);
        }
        if Instant::now() >= pace.until {
            break;
        }
    }
    Ok(rows)
}

/// The distributions after the next histories from `place` on, until the time has passed or the next is long; each thread
/// takes some in any case.
fn predict(pace: &Pace, histories: &Histories, network: &Prepared, place: &mut Place) -> Result<Vec<f32>, Error> {
    let next = Mutex::new(&mut place.next);
    let take = || {
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = histories.together(**next, pace);
        **next = taken.end;
        taken
    };
    let work = |_| {
        let mut done = Vec::new();
        while done.is_empty() || Instant::now() < pace.until {
            let taken = take();
            if taken.is_empty() {
                break;
            }
            let sequences: Vec<Tokens> = taken.clone().map(|index| histories.tokens(index)).collect();
            done.push((taken.start, network.predict(&sequences, 1)?));
        }
        Ok::<_, Error>(done)
    };
    let done: Result<Vec<_>, _> = parallel::map(pace.threads, pace.threads, work).into_iter().collect();
    let mut done = done?.concat();
    done.sort_unstable_by_key(|&(first, _)| first);
    Ok(done.into_iter().flat_map(|(_, rows)| rows).collect())
}

/// Takes the next `n_steps` tokens of a long history; the distribution after its last, nothing before that.
fn feed(tokens: Tokens, network: &Prepared, place: &mut Place, n_steps: usize) -> Result<Vec<f32>, Error> {
    let n_state = network.architecture().n_state();
    if place.n_fed == 0 {
        place.state = vec![0.0; n_state];
    }
    if place.state.len() != n_state || place.n_fed >= tokens.len() {
        return Err(foreign_state());
    }
    let part = tokens.slice(place.n_fed..tokens.len().min(place.n_fed + n_steps));
    let is_last = place.n_fed + part.len() == tokens.len();
    let row = network.feed(&mut place.state, part, part.len() - usize::from(is_last))?;
    place.n_fed += part.len();
    if is_last {
        *place = Place::before(place.next + 1);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Architecture, Cell, Fused};
    use crate::random::Random;

    fn histories(lengths: &[usize]) -> Vec<Vec<u8>> {
        let mut random = Random::new(5);
        let history = |&length: &usize| (0..length).map(|_| random.below(3) as u8).collect();
        lengths.iter().map(history).collect()
    }

    fn network(cell: Cell, hidden: usize, layers: usize) -> Prepared {
        let architecture = Architecture {
            cell,
            vocabulary: 3,
            embedding: 2,
            hidden,
            layers,
            dropout: 0.0,
        };
        let engine = Fused::new(architecture).unwrap();
        engine.prepare(&architecture.initial_parameters(1)).unwrap()
    }

    /// Packed in the order in which they are not given.
    fn pack(histories: &[Vec<u8>]) -> Vec<u8> {
        let in_order = histories.iter().map(Vec::as_slice).enumerate();
        Histories::pack(&in_order.rev().collect::<Vec<_>>()).unwrap()
    }

    /// The rows of all pieces, of which each ends as soon as it can.
    fn predicted(histories: &Histories, network: &Prepared, (n_steps, threads): (usize, usize)) -> Vec<f32> {
        let (mut rows, mut place) = (Vec::new(), Place::default());
        while place.next < histories.len() {
            let before = (place.next, place.n_fed);
            let pace = Pace {
                n_steps,
                threads,
                until: Instant::now(),
            };
            rows.extend(piece_at(&pace, histories, network, &mut place).unwrap());
            assert_eq!(rows.len(), 3 * place.next);
            assert!((place.next, place.n_fed) > before);
            place = Place::from_bytes(place.next, &place.to_bytes()).unwrap();
        }
        rows
    }

    fn bits(rows: impl IntoIterator<Item = f32>) -> Vec<u32> {
        rows.into_iter().map(f32::to_bits).collect()
    }

    /// To the bit what the network gives for each history alone and in one.
    fn assert_predicted(given: &[Vec<u8>], network: &Prepared) {
        let packed = pack(given);
        let histories = Histories::from_bytes(&packed, Width::U8).unwrap();
        let one_by_one = given
            .iter()
            .flat_map(|tokens| network.predict(&[Tokens::U8(tokens)], 1).unwrap());
        let expected = bits(one_by_one);
        for pace in [(64, 1), (1000, 3), (1 << 20, 2)] {
            assert!(bits(predicted(&histories, network, pace)) == expected, "{pace:?}");
        }
        assert!(bits(piece(&histories, network, &mut Place::default(), 2).unwrap()) == expected);
    }

    #[test]
    fn packed_histories_are_in_the_order_of_their_places() {
        let given = histories(&[3, 0, 1, 0, 0]);
        let packed = pack(&given);
        let unpacked = Histories::from_bytes(&packed, Width::U8).unwrap();
        let all: Vec<&[u8]> = (0..unpacked.len())
            .map(|index| unpacked.tokens(index).bytes())
            .collect();
        assert_eq!(all, given);
        assert!(
            Histories::from_bytes(&Histories::pack(&[]).unwrap(), Width::U8)
                .unwrap()
                .is_empty()
        );
        assert!(Histories::pack(&[(0, &[][..]), (0, &[])]).is_err());
        assert!(Histories::pack(&[(1, &[][..])]).is_err());
        for end in 0..packed.len() {
            assert!(Histories::from_bytes(&packed[..end], Width::U8).is_err(), "{end}");
        }
        let mut foreign = packed.clone();
        foreign[8] = 200;
        assert!(Histories::from_bytes(&foreign, Width::U8).is_err());
        // Of 4 bytes in all: a history of 3 and one of 1 are none of wider tokens.
        assert!(Histories::from_bytes(&packed, Width::U16).is_err());
    }

    #[test]
    fn pieces_give_what_one_call_gives() {
        let lengths: Vec<usize> = (0..2 * TOGETHER + 7).map(|index| index * 7919 % 14).collect();
        for cell in [Cell::Rnn, Cell::Gru, Cell::Lstm] {
            assert_predicted(&histories(&lengths), &network(cell, 3, 1));
        }
    }

    #[test]
    fn a_cut_within_a_history_leaves_no_trace() {
        for (cell, layers) in [(Cell::Rnn, 1), (Cell::Gru, 2), (Cell::Lstm, 2)] {
            assert_predicted(&histories(&[2, 700, 0, 15, 16, 17, 3, 251]), &network(cell, 5, layers));
        }
    }

    #[test]
    fn a_place_of_other_histories_is_refused() {
        let network = network(Cell::Rnn, 2, 1);
        let packed = pack(&histories(&[3, 4]));
        let histories = Histories::from_bytes(&packed, Width::U8).unwrap();
        let mut place = Place::before(0);
        (place.n_fed, place.state) = (1, vec![0.0; 2]);
        assert!(piece(&histories, &network, &mut place, 1).is_err());
        assert!(feed(Tokens::U8(&[0; 3]), &network, &mut place.clone(), 1).is_ok());
        place.state.push(0.0);
        assert!(feed(Tokens::U8(&[0; 3]), &network, &mut place.clone(), 1).is_err());
        (place.n_fed, place.state) = (3, vec![0.0; 2]);
        assert!(feed(Tokens::U8(&[0; 3]), &network, &mut place, 1).is_err());
    }
}
