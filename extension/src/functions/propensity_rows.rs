//! `propensity_rows(history, own, key, plan, cutoffs, ends, called_as)`: the features of a user at each cut-off, and whether
//! the target happened between a cut-off and its end, as records.

use crate::propensity::{Decoded, Histories, history_type, moments, own_type, own_values, plan};
use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::propensity::history::known;
use footfall::propensity::plan::MOST_CUTOFFS;
use footfall::propensity::rows;
use std::error::Error;

pub struct PropensityRows;

impl Scalar for PropensityRows {
    const NAME: &'static str = "propensity_rows";

    fn signatures() -> Vec<Signature> {
        let moments = Type::list(Type::Bigint);
        vec![Signature {
            parameters: vec![
                history_type(),
                own_type(),
                Type::Varchar,
                Type::Blob,
                moments.clone(),
                moments,
                Type::Varchar,
            ],
            returns: Type::Blob,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let mut plans = Decoded::new();
        let histories = Histories::new(input.column(0));
        output.write_rows(input, &Type::Blob, |row| {
            let called = |error: Box<dyn Error>| super::as_called(input, 6, row, error);
            let decoded = plans.get(input.column(3), row, plan);
            let (plan, features) = decoded.map_err(|error| called(error.into()))?;
            let [cutoffs, ends] = [4, 5].map(|index| moments(input.column(index), row));
            check(&cutoffs).map_err(|error| called(error.into()))?;
            let events = histories.events(row, plan.actions.len());
            let own = match plan.own.is_empty() {
                true => Vec::new(),
                false => own_values(input.column(1), row)?,
            };
            let known = known(plan, features, events, own, &cutoffs, &ends);
            Ok(rows::write(plan, input.column(2).bytes(row), &known).into())
        })
    }
}

fn check(cutoffs: &[i64]) -> Result<(), Failure> {
    if cutoffs.len() > MOST_CUTOFFS || cutoffs.windows(2).any(|pair| pair[0] >= pair[1]) {
        let allowed = format!("up to {MOST_CUTOFFS} moments in order");
        return Err(Failure::argument(
            "cutoffs",
            format!("a list of {}", cutoffs.len()),
            allowed,
        ));
    }
    Ok(())
}
