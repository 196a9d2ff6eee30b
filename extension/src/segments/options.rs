//! Options of segmentation, and errors under the name of the macro that was called.

use crate::gate::CalledAs;
use crate::vector::Chunk;
use footfall::error::Error as Failure;
use footfall::segment::kmeans::Options;
use footfall::segment::kmeans::start::Start;
use serde::Deserialize;
use serde_json::Value as Json;
use std::error::Error;

/// The options as they are given in SQL.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Given {
    seed: i64,
    n_init: i64,
    max_iterations: i64,
    standardise: bool,
    log: bool,
    start: String,
    threads: i64,
}

impl Default for Given {
    fn default() -> Self {
        let options = Options::default();
        Self {
            seed: options.seed as i64,
            n_init: options.n_init as i64,
            max_iterations: options.max_iterations as i64,
            standardise: options.standardise,
            log: options.log,
            start: "kmeans++".into(),
            threads: std::thread::available_parallelism().map_or(1, |threads| threads.get() as i64),
        }
    }
}

/// The macro that a call works for, which it names among the options: it answers for `features`, and
/// the errors of its user speak of them.
pub fn caller(json: &mut Json) -> Option<String> {
    let name = json.as_object_mut()?.remove("called_as")?;
    name.as_str().map(str::to_owned)
}

/// The option `progress`, which is of the call and not of the clustering.
pub fn is_shown(json: &mut Json) -> bool {
    let given = json.as_object_mut().and_then(|options| options.remove("progress"));
    given.is_some_and(|given| given == true)
}

/// The options in `json`.
///
/// # Errors
/// Unknown option, wrong type, value out of range.
pub fn options(json: Json) -> Result<Options, Box<dyn Error>> {
    let example =
        "{seed: 42, n_init: 10, max_iterations: 300, standardise: true, log: false, start: 'kmeans++', threads: 2}";
    let given: Given = footfall::options::read("options", json, example)?;
    let within = |name: &str, value: i64, most: i64| {
        if (1..=most).contains(&value) {
            Ok(value as usize)
        } else {
            Err(Failure::option(name, value, format!("1 to {most}")))
        }
    };
    Ok(Options {
        seed: given.seed as u64,
        n_init: within("n_init", given.n_init, 10_000)?,
        max_iterations: within("max_iterations", given.max_iterations, 1_000_000)?,
        standardise: given.standardise,
        log: given.log,
        start: Start::parse(&given.start)?,
        threads: within("threads", given.threads, 1024)?,
    })
}

/// The numbers of clusters in the columns from `first` on. The library checks that they are no more than `most`.
pub fn clusters<const N: usize>(input: &Chunk, first: usize, row: usize, most: usize) -> Result<[usize; N], Failure> {
    let names = if N == 1 { ["k", "k"] } else { ["k_from", "k_to"] };
    let mut counts = [0; N];
    for (index, (count, name)) in counts.iter_mut().zip(names).enumerate() {
        let k = input.column(first + index).values::<i64>()[row];
        *count = usize::try_from(k).map_err(|_| Failure::argument(name, k, format!("1 to {most}")))?;
    }
    Ok(counts)
}

/// The error as the user of the macro reads it, if the call works for one.
pub fn as_caller(caller: Option<&str>, error: Box<dyn Error>) -> Box<dyn Error> {
    match caller {
        Some(caller) => CalledAs::new(caller, of_features(&*error)).into(),
        None => error,
    }
}

/// The error as the user of a macro over a table of features reads it. The rows of a table have no
/// place, so they are counted.
fn of_features(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<Failure>() {
        Some(Failure::NotFinite {
            dimension,
            value,
            n_rows,
            ..
        }) => format!(
            "argument 'features': number {} of the list is {value} in {n_rows} {}; allowed: finite numbers, \
             and NULL for a row that is to be left out",
            dimension + 1,
            if *n_rows == 1 { "row" } else { "rows" }
        ),
        Some(Failure::UnequalLengths { found, expected, .. }) => format!(
            "argument 'features' holds {expected} numbers in one row and {found} in another; allowed: as many in each"
        ),
        Some(Failure::NoDimensions) => {
            "argument 'features' is an empty list; allowed: one or more numbers such as [recency_days, frequency]"
                .into()
        }
        Some(Failure::TooWide { dimension }) => format!(
            "argument 'features': number {} of the list lies too far apart in two rows; allowed: within 1e140",
            dimension + 1
        ),
        _ => error.to_string(),
    }
}
