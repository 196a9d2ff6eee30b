//! `outliers_piece(job, points, options)`: how far each of packed points is from those most like it, for
//! `read_outlier`, or after about half a second the number of the job to go on with; 0 begins.

use crate::scalar::{Scalar, Signature};
use crate::segments::packed::{MOST_BYTES, WORD};
use crate::segments::piece::{go_on, piece_signature, piece_type, with_options};
use crate::value::{Output, Type, Value};
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::limits::MAX_NEIGHBOURS;
use footfall::segment::outliers::{Settings, find};
use serde::Deserialize;
use serde_json::Value as Json;
use std::error::Error;

pub struct OutliersPiece;

impl Scalar for OutliersPiece {
    const NAME: &'static str = "outliers_piece";

    fn signatures() -> Vec<Signature> {
        vec![piece_signature::<0>(Type::Blob)]
    }

    fn invoke(input: &Chunk, output: Output) -> Result<(), Box<dyn Error>> {
        let returns = piece_type(Type::Blob);
        with_options(input, output, &returns, "outliers", |row, display, json| {
            let settings = settings(json)?;
            let message = |_| "comparing customers".into();
            go_on(input, row, display, message, move |values, dimensions| {
                found(&values, dimensions, &settings)
            })
        })
    }
}

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    neighbours: i64,
    standardise: bool,
    log: bool,
    threads: i64,
}

fn settings(json: Json) -> Result<Settings, Box<dyn Error>> {
    let example = "{neighbours: 10, standardise: true, log: false, threads: 2}";
    let given: Given = footfall::options::read("options", json, example)?;
    let neighbours = usize::try_from(given.neighbours)
        .map_err(|_| Failure::argument("neighbours", given.neighbours, format!("1 to {MAX_NEIGHBOURS}")))?;
    Ok(Settings {
        neighbours,
        standardise: given.standardise,
        log: given.log,
        threads: super::threads(given.threads)?,
    })
}

/// The number of coordinates and a record for each point, all as little-endian DOUBLEs.
fn found(values: &[f64], dimensions: usize, settings: &Settings) -> Result<Value, Failure> {
    let n_points = values.len() / dimensions;
    let most = (MOST_BYTES / WORD - 1) / (3 + dimensions);
    if n_points > most {
        let received = format!("{n_points} rows of {dimensions} numbers");
        return Err(Failure::argument("features", received, format!("{most} rows at most")));
    }
    let outliers = find(values, dimensions, settings)?;
    let mut bytes = (dimensions as f64).to_le_bytes().to_vec();
    bytes.reserve_exact(n_points * (3 + dimensions) * WORD);
    for row in 0..n_points {
        bytes.extend(outliers.record(row).iter().flat_map(|number| number.to_le_bytes()));
    }
    Ok(bytes.into())
}
