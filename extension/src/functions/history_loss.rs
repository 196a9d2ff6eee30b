//! `history_loss(model, actions)`: how much one history surprises a model.

use crate::models::{self, ModelRows};
use crate::scalar::{Scalar, Signature};
use crate::tokens::Encoder;
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use std::error::Error;

pub struct HistoryLoss;

impl Scalar for HistoryLoss {
    const NAME: &'static str = "history_loss";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Blob, Type::list(Type::Varchar)],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let histories = input.column(1);
        let actions = histories.child();
        let mut values = vec![Value::Null; input.len()];
        let mut tokens = Vec::new();
        for ModelRows { decoded, rows } in models::of_rows(input, 0)? {
            let mut encoder = Encoder::new(&decoded.model.vocabulary);
            for row in rows {
                tokens.clear();
                encoder.encode(&actions, histories.list(row), &mut tokens)?;
                let (loss, n) = decoded.loss(&tokens)?;
                values[row] = Value::Struct(vec![loss.into(), (n as i64).into()]);
            }
        }
        output.write(&returns(), &values)
    }
}

fn returns() -> Type {
    Type::Struct(vec![("loss", Type::Double), ("n", Type::Bigint)])
}
