//! `clv_piece(job, customers, values, options)`: what `bgnbd` and `gamma_gamma` make of packed customers, or after about
//! half a second the number of the job to go on with; 0 begins. `customers` are packed points [x, t_x, age, weight],
//! `values` [x, value] or an empty BLOB for none.

use crate::clv::{PURCHASES, VALUES, choice, customers_of, values_of};
use crate::scalar::{Scalar, Signature};
use crate::segments::packed::unpack;
use crate::segments::piece::{advance, piece_type, with_options};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::value::customers::Customers;
use footfall::value::fit::{Choice, fit};
use footfall::value::gamma_gamma::{self, Values};

pub struct ClvPiece;

impl Scalar for ClvPiece {
    const NAME: &'static str = "clv_piece";

    fn signatures() -> Vec<Signature> {
        vec![Signature {
            parameters: vec![Type::Bigint, Type::Blob, Type::Blob, Type::Any],
            returns: returns(),
        }]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn std::error::Error>> {
        with_options(input, output, &returns(), "fit_clv", |row, _, json| {
            let choice = choice(json)?;
            advance(input, row, &mut |_, _| (), || {
                // The arguments are DuckDB's, and only for this call.
                let [customers, values] = [1, 2].map(|index| input.column(index).bytes(row).to_vec());
                move || {
                    let (customers, values) = read(&customers, &values)?;
                    Ok(fitted(&customers, &values, choice))
                }
            })
        })
    }
}

fn returns() -> Type {
    let models = [("purchases", PURCHASES.struct_type()), ("money", VALUES.struct_type())];
    piece_type(Type::Struct(models.into()))
}

fn read(customers: &[u8], values: &[u8]) -> Result<(Customers, Values), Failure> {
    let customers = customers_of(unpack("customers", customers)?)?;
    let values = match values {
        [] => Values::new([]),
        values => values_of(unpack("values", values)?)?,
    };
    Ok((customers, values))
}

fn fitted(customers: &Customers, values: &Values, choice: Choice) -> Value {
    let purchases = fit(customers, choice).map(|fit| PURCHASES.value(&fit));
    let money = gamma_gamma::fit(values).map(|fit| VALUES.value(&fit));
    Value::Struct(vec![purchases.into(), money.into()])
}
