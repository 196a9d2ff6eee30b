//! `history_loss(model, actions[, unknown[, n_train]])`: how much one history surprises a model.

use crate::fields::Fields;
use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
use crate::tokens::{Encoder, Unknown};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::sequence::TokenList;
use std::error::Error;

pub struct HistoryLoss;

impl Scalar for HistoryLoss {
    const NAME: &'static str = "history_loss";

    fn signatures() -> Vec<Signature> {
        let parameters = [Type::Blob, Type::list(Type::Varchar), Type::Varchar, Type::Bigint];
        (2..=parameters.len())
            .map(|n| Signature {
                parameters: parameters[..n].to_vec(),
                returns: LOSS.struct_type(),
            })
            .collect()
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let histories = input.column(1);
        let actions = histories.child();
        let mut values = vec![Value::Null; input.len()];
        for ModelRows { decoded, rows } in models::of_rows(input, 0)? {
            let mut tokens = TokenList::new(decoded.model.vocabulary.len());
            let mut encoder = Encoder::new(&decoded.model.vocabulary);
            for row in rows {
                tokens.clear();
                let unknown = Unknown::of_row(input, 2, row, Unknown::Skip)?;
                let n_unknown = encoder.encode(&actions, histories.list(row), unknown, &mut tokens)?;
                let n_train = match input.width() {
                    4 => input.column(3).values::<i64>()[row],
                    _ => 0,
                };
                let n_train =
                    usize::try_from(n_train).map_err(|_| Failure::argument("n_train", n_train, "0 or more"))?;
                let (loss, n) = decoded.loss(tokens.tokens(), n_train)?;
                values[row] = LOSS.value(&Loss { loss, n, n_unknown });
            }
        }
        output.write(&LOSS.struct_type(), &values)
    }
}

/// The sum over `n` targets of -ln p, and how many actions the model does not know.
struct Loss {
    loss: f64,
    n: usize,
    n_unknown: usize,
}

const LOSS: Fields<Loss> = Fields(&[
    ("loss", || Type::Double, |of| of.loss.into()),
    ("n", || Type::Bigint, |of| (of.n as i64).into()),
    ("n_unknown", || Type::Bigint, |of| (of.n_unknown as i64).into()),
]);
