//! `pack_sequences(sequences, vocabulary)`: a whole training set as one value.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::sequence::{Dataset, Sequence};
use std::error::Error;

pub struct PackSequences;

impl Scalar for PackSequences {
    const NAME: &'static str = "pack_sequences";

    fn signatures() -> Vec<Signature> {
        let sequence = Type::Struct(vec![("tokens", Type::Blob), ("n_train", Type::Bigint)]);
        vec![Signature {
            parameters: vec![Type::list(sequence), Type::list(Type::Varchar)],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (lists, names) = (input.column(0), input.column(1));
        output.write_rows(input, &Type::Blob, |row| {
            let vocabulary = super::vocabulary(&names.child(), names.list(row))?;
            let elements = lists.child();
            let (tokens, n_train) = (elements.field(0), elements.field(1));
            let mut sequences = Vec::with_capacity(lists.list(row).len());
            for element in lists.list(row) {
                if elements.is_null(element) || tokens.is_null(element) || n_train.is_null(element) {
                    continue;
                }
                let tokens = tokens.bytes(element);
                if tokens.iter().any(|&token| usize::from(token) >= vocabulary.len()) {
                    let allowed = "the value of encode_actions with the same vocabulary";
                    return Err(Failure::argument("sequences", "a BLOB with other bytes", allowed).into());
                }
                let n_train = n_train.values::<i64>()[element];
                let n_train = usize::try_from(n_train).map_err(|_| {
                    Failure::argument("sequences", format!("n_train {n_train}"), "0 to the number of actions")
                })?;
                sequences.push(Sequence {
                    tokens,
                    n_train: n_train.min(tokens.len()),
                });
            }
            Ok(Dataset::pack(&vocabulary, sequences)?.into())
        })
    }
}
