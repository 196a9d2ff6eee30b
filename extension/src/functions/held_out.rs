//! `held_out(key, share, seed)`: whether a user is held back for validation.

use crate::scalar::{Scalar, Signature};
use crate::value::{Output, Type};
use crate::vector::Chunk;
use std::error::Error;

pub struct HeldOut;

impl Scalar for HeldOut {
    const NAME: &'static str = "held_out";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Varchar, Type::Double, Type::Bigint],
            returns: Type::Boolean,
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let (keys, shares, seeds) = (input.column(0), input.column(1), input.column(2));
        output.write_rows(input, &Type::Boolean, |row| {
            let share = shares.values::<f64>()[row];
            if !(0.0..=1.0).contains(&share) {
                return Err(footfall::error::Error::argument("share", share, "0 to 1").into());
            }
            let seed = seeds.values::<i64>()[row] as u64;
            Ok(footfall::sequence::held_out(keys.bytes(row), share, seed).into())
        })
    }
}
