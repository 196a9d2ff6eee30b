//! `pack_sequences(sequences, vocabulary[, share, seed, called_as[, progress]])`: a whole training set as one value.

use crate::progress;
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::sequence::{Dataset, Sequence, Tokens, split_by_history};
use std::error::Error;

pub struct PackSequences;

impl Scalar for PackSequences {
    const NAME: &'static str = "pack_sequences";

    fn signatures() -> Vec<Signature> {
        let sequence = Type::Struct(vec![("tokens", Type::Blob), ("n_train", Type::Bigint)]);
        let parameters = vec![Type::list(sequence), Type::list(Type::Varchar)];
        let with_split = [parameters.clone(), vec![Type::Double, Type::Bigint, Type::Varchar]].concat();
        let with_progress = [with_split.clone(), vec![Type::Boolean]].concat();
        [parameters, with_split, with_progress]
            .map(|parameters| Signature {
                parameters,
                returns: Type::Blob,
            })
            .into()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        output.write_rows(input, &Type::Blob, |row| {
            let is_shown = input.width() > 5 && input.column(5).values::<u8>()[row] != 0;
            let caller = (input.width() > 4).then(|| input.column(4).text(row)).transpose()?;
            let function = caller.unwrap_or(Self::NAME);
            let packed = progress::during(function, is_shown, "packing", || pack(input, row))
                .map_err(|error| super::as_called(input, 4, row, error))?;
            Ok(packed.into())
        })
    }
}

fn pack(input: &Chunk, row: usize) -> Result<Vec<u8>, Box<dyn Error>> {
    let (lists, names) = (input.column(0), input.column(1));
    let vocabulary = super::vocabulary(&names.child(), names.list(row))?;
    let elements = lists.child();
    let (tokens, n_train) = (elements.field(0), elements.field(1));
    let mut sequences = Vec::with_capacity(lists.list(row).len());
    // Sequences without an `n_train`, which are split by what they hold.
    let mut unsplit = Vec::new();
    for element in lists.list(row) {
        if elements.is_null(element) || tokens.is_null(element) {
            continue;
        }
        let is_known = |tokens: &Tokens| tokens.highest().is_none_or(|token| token.index() < vocabulary.len());
        let tokens = Tokens::from_bytes(vocabulary.width(), tokens.bytes(element)).filter(is_known);
        let tokens = tokens.ok_or_else(|| {
            let allowed = "the value of encode_actions with the same vocabulary";
            Failure::argument("sequences", "a BLOB with other bytes", allowed)
        })?;
        if n_train.is_null(element) {
            unsplit.push(Sequence { tokens, n_train: 0 });
            continue;
        }
        let n_train = n_train.values::<i64>()[element];
        let n_train = usize::try_from(n_train)
            .map_err(|_| Failure::argument("sequences", format!("n_train {n_train}"), "0 to the number of actions"))?;
        sequences.push(Sequence {
            tokens,
            n_train: n_train.min(tokens.len()),
        });
    }
    if input.width() > 2 {
        let (share, seed) = (
            input.column(2).values::<f64>()[row],
            input.column(3).values::<i64>()[row],
        );
        if !(0.0..=1.0).contains(&share) {
            return Err(Failure::argument("share", share, "0 to 1").into());
        }
        split_by_history(&vocabulary, &mut unsplit, share, seed as u64);
        sequences.append(&mut unsplit);
    }
    Ok(Dataset::pack(&vocabulary, sequences)?)
}
