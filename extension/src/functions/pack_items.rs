//! `pack_items(histories, n_items, called_as)`: what users did with which items, as one value.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::items::{Event, Histories, History};
use std::error::Error;

pub struct PackItems;

impl Scalar for PackItems {
    const NAME: &'static str = "pack_items";

    fn signatures() -> Vec<Signature> {
        let history = Type::Struct(vec![
            ("events", Type::list(Type::Bigint)),
            ("n_train", Type::Bigint),
            ("n_fit", Type::Bigint),
        ]);
        vec![Signature {
            parameters: vec![Type::list(history), Type::Bigint, Type::Varchar],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| {
            let packed = pack(input, row).map_err(|error| super::as_called(input, 2, row, error))?;
            Ok(packed.into())
        })
    }
}

fn pack(input: &Chunk, row: usize) -> Result<Vec<u8>, Failure> {
    let n_items = input.column(1).values::<i64>()[row];
    let n_items = usize::try_from(n_items).map_err(|_| Failure::argument("n_items", n_items, "a number from 0 on"))?;
    let elements = input.column(0).child();
    let (events, n_train, n_fit) = (elements.field(0), elements.field(1), elements.field(2));
    let (words, n_train, n_fit) = (events.child(), n_train.values::<i64>(), n_fit.values::<i64>());
    let numbers = words.values::<i64>();
    let history = |element: usize| {
        let known = events
            .list(element)
            .map(|index| numbers.or(index, -1))
            .filter(|number| *number >= 0);
        let mut sorted: Vec<i64> = known.collect();
        sorted.sort_unstable();
        let n = sorted.len();
        let n_train = usize::try_from(n_train.or(element, 0)).unwrap_or(0).min(n);
        History {
            // What is above 32 bits is the place.
            events: sorted
                .into_iter()
                .map(|number| Event::from_word(number as u32))
                .collect(),
            n_train,
            n_fit: usize::try_from(n_fit.or(element, 0)).unwrap_or(0).min(n_train),
        }
    };
    let histories = input.column(0).list(row).filter(|&element| !elements.is_null(element));
    Histories::new(n_items, histories.map(history).collect())?.to_bytes()
}
