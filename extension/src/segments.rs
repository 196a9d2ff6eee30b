//! Points, options and models of segmentation on their way in and out.

use crate::gate::CalledAs;
use crate::jobs::{self, Answer};
use crate::progress::{self, Display};
use crate::scalar::Signature;
use crate::value::{Output, Type, Value};
use crate::vector::{Chunk, Column};
use footfall::compute::job::Progress;
use footfall::error::Error as Failure;
use footfall::segment::kmeans::Options;
use footfall::segment::kmeans::choose::Choice;
use footfall::segment::kmeans::model::{Assigner, Model};
use footfall::segment::kmeans::start::Start;
use footfall::segment::mixture::{Membership, Mixture};
use footfall::segment::points::Points;
use serde::Deserialize;
use serde_json::Value as Json;
use std::borrow::Cow;
use std::error::Error;
use std::ops::Range;

/// The type of a list of points.
pub fn points_type() -> Type {
    Type::list(Type::list(Type::Double))
}

/// The type of a k-means model.
pub fn model_type() -> Type {
    Type::Struct(vec![
        ("k", Type::Bigint),
        ("centroids", points_type()),
        ("scale", Type::list(Type::Double)),
        ("sizes", Type::list(Type::Bigint)),
        ("inertia", Type::Double),
        ("iterations", Type::Bigint),
        ("seed", Type::Bigint),
        ("log", Type::Boolean),
    ])
}

const CENTROIDS: usize = 1;
const SCALE: usize = 2;
const LOG: usize = 7;

/// A model as a value of [`model_type`].
pub fn model_value(model: &Model) -> Value {
    let centroids = model.centroids.chunks_exact(model.dimensions());
    Value::Struct(vec![
        (model.k() as i64).into(),
        Value::List(
            centroids
                .map(|centroid| Value::list(centroid.iter().copied()))
                .collect(),
        ),
        Value::list(model.scale.iter().copied()),
        Value::list(model.sizes.iter().map(|&size| size as i64)),
        model.inertia.into(),
        (model.iterations as i64).into(),
        (model.seed as i64).into(),
        model.log.into(),
    ])
}

/// The type of a mixture.
pub fn mixture_type() -> Type {
    Type::Struct(vec![
        ("k", Type::Bigint),
        ("weights", Type::list(Type::Double)),
        ("means", points_type()),
        ("covariances", Type::list(points_type())),
        ("log_likelihood", Type::Double),
        ("bic", Type::Double),
        ("iterations", Type::Bigint),
        ("n_points", Type::Bigint),
        ("seed", Type::Bigint),
        ("log", Type::Boolean),
    ])
}

/// A mixture as a value of [`mixture_type`].
pub fn mixture_value(mixture: &Mixture) -> Value {
    let d = mixture.dimensions();
    let rows = |values: &[f64]| {
        Value::List(
            values
                .chunks_exact(d)
                .map(|row| Value::list(row.iter().copied()))
                .collect(),
        )
    };
    Value::Struct(vec![
        (mixture.k() as i64).into(),
        Value::list(mixture.weights.iter().copied()),
        rows(&mixture.means),
        Value::List(mixture.covariances.chunks_exact(d * d).map(rows).collect()),
        mixture.log_likelihood.into(),
        mixture.bic.into(),
        (mixture.iterations as i64).into(),
        (mixture.n_points as i64).into(),
        (mixture.seed as i64).into(),
        mixture.log.into(),
    ])
}

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
fn caller(json: &mut Json) -> Option<String> {
    let name = json.as_object_mut()?.remove("called_as")?;
    name.as_str().map(str::to_owned)
}

/// The option `progress`, which is of the call and not of the clustering.
fn is_shown(json: &mut Json) -> bool {
    let given = json.as_object_mut().and_then(|options| options.remove("progress"));
    given.is_some_and(|given| given == true)
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

/// The options in `json`.
///
/// # Errors
/// Unknown option, wrong type, value out of range.
fn options(json: Json) -> Result<Options, Box<dyn Error>> {
    let example =
        "{seed: 42, n_init: 10, max_iterations: 300, standardise: true, log: false, start: 'kmeans++', threads: 2}";
    let given: Given = footfall::options::read("options", json, example)?;
    let within = |name: &'static str, value: i64, most: i64| {
        if (1..=most).contains(&value) {
            Ok(value as usize)
        } else {
            Err(Failure::argument(name, value, format!("1 to {most}")))
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

/// The overloads of a function of points, `N` numbers of clusters, options or none, and then weights or none.
pub fn signatures<const N: usize>(returns: fn() -> Type) -> Vec<Signature> {
    let of = |settings: Vec<Type>| {
        let counts = std::iter::repeat_with(|| Type::Bigint).take(N);
        Signature {
            parameters: std::iter::once(points_type()).chain(counts).chain(settings).collect(),
            returns: returns(),
        }
    };
    // DOUBLE takes every type of number that counts can have.
    let weights = Type::list(Type::Double);
    vec![of(vec![]), of(vec![Type::Any]), of(vec![Type::Any, weights])]
}

/// Answers each row of such a function, which takes `most` clusters, with what `fit` makes of it;
/// NULL where an argument is NULL or no point is left.
///
/// # Errors
/// Of the arguments, or those of `fit`.
pub fn answer<const N: usize>(
    input: &Chunk,
    output: Output,
    returns: &Type,
    most: usize,
    fit: impl Fn(&Points, [usize; N], &Options) -> Result<Value, Failure>,
) -> Result<(), Box<dyn Error>> {
    let fit_row = |row: usize, json: Json| -> Result<Value, Box<dyn Error>> {
        let options = options(json)?;
        let counts = clusters(input, 1, row, most)?;
        let weights = (input.width() > N + 2).then(|| input.column(N + 2));
        Ok(match points(input.column(0), weights, row, options.threads)? {
            Some(points) => fit(&points, counts, &options)?,
            None => Value::Null,
        })
    };
    output.write_rows(input, returns, |row| {
        let mut json = if 1 + N < input.width() {
            input.column(1 + N).json(row)?
        } else {
            Json::Object(serde_json::Map::new())
        };
        let caller = caller(&mut json);
        fit_row(row, json).map_err(|error| as_caller(caller.as_deref(), error))
    })
}

/// The error as the user of the macro reads it, if the call works for one.
fn as_caller(caller: Option<&str>, error: Box<dyn Error>) -> Box<dyn Error> {
    match caller {
        Some(caller) => CalledAs::new(caller, of_features(&*error)).into(),
        None => error,
    }
}

/// The numbers of clusters in the columns from `first` on. The library checks that they are no more than `most`.
fn clusters<const N: usize>(input: &Chunk, first: usize, row: usize, most: usize) -> Result<[usize; N], Failure> {
    let mut counts = [0; N];
    for (index, count) in counts.iter_mut().enumerate() {
        let k = input.column(first + index).values::<i64>()[row];
        *count = usize::try_from(k).map_err(|_| Failure::argument("k", k, format!("1 to {most}")))?;
    }
    Ok(counts)
}

/// The result of a function that is called again until it is `finished`, and then gives `result`.
pub fn piece_type(result: Type) -> Type {
    Type::Struct(vec![
        ("job", Type::Bigint),
        ("finished", Type::Boolean),
        ("result", result),
    ])
}

/// What is said of every k, to be put into the STRUCT of a result.
pub fn choice_fields() -> [(&'static str, Type); 5] {
    [
        ("k", Type::Bigint),
        ("inertia", Type::Double),
        ("silhouette", Type::Double),
        ("davies_bouldin", Type::Double),
        ("chosen", Type::Boolean),
    ]
}

/// The values of [`choice_fields`].
pub fn choice_values<M>(k: usize, choice: &Choice<M>) -> [Value; 5] {
    [
        (k as i64).into(),
        choice.quality.inertia.into(),
        choice.quality.silhouette.into(),
        choice.quality.davies_bouldin.into(),
        choice.chosen.into(),
    ]
}

/// The signature of such a function of a job, packed points, `N` numbers of clusters, and options.
pub fn piece_signature<const N: usize>(result: Type) -> Signature {
    let counts = std::iter::repeat_with(|| Type::Bigint).take(N);
    let before = [Type::Bigint, Type::Blob];
    Signature {
        parameters: before.into_iter().chain(counts).chain([Type::Any]).collect(),
        returns: piece_type(result),
    }
}

/// Answers each row of such a function with what `fit` makes of it, or with the job to go on with. `made_for` is the
/// macro over it, for errors in options that are no options and so cannot name it, and for the line that shows where it is,
/// with a `message` for that.
///
/// # Errors
/// Of the arguments, or those of `fit`.
pub fn piece<const N: usize>(
    input: &Chunk,
    output: Output,
    returns: &Type,
    made_for: &'static str,
    most: usize,
    fit: fn(&Points, [usize; N], &Options) -> Answer,
    message: fn(Progress, [usize; N]) -> String,
) -> Result<(), Box<dyn Error>> {
    let go_on = |row: usize, is_shown: bool, json: Json| -> Result<Value, Box<dyn Error>> {
        let (options, counts) = (options(json)?, clusters(input, 2, row, most)?);
        let number = input.column(0).values::<i64>()[row];
        let (dimensions, packed) = unpack(input.column(1).bytes(row))?;
        let mut display = Display::new(made_for, is_shown);
        let mut look = |progress: Progress, seconds| {
            let (parts, steps) = (progress.parts, progress.steps);
            let n_steps = steps.1.max(1);
            let (done, all) = (parts.0 * n_steps + steps.0, parts.1.max(1) * n_steps);
            display.show(done as u64, all as u64, seconds, || message(progress, counts));
        };
        let (number, answer) = jobs::advance(number, &mut look, || {
            // The argument is DuckDB's, and only for this call.
            let values: Vec<f64> = packed.iter().map(|&value| f64::from_le_bytes(value)).collect();
            move || {
                let points = Points::new(&values, dimensions, options.threads)?;
                drop(values);
                fit(&points, counts, &options)
            }
        })?;
        let finished = answer.is_some();
        let result = answer.transpose()?.unwrap_or(Value::Null);
        Ok(Value::Struct(vec![number.into(), finished.into(), result]))
    };
    output.write_rows(input, returns, |row| {
        let options = input.column(2 + N).json(row);
        let mut json = options.map_err(|error| as_caller(Some(made_for), error))?;
        let (caller, is_shown) = (caller(&mut json), is_shown(&mut json));
        go_on(row, is_shown, json).map_err(|error| as_caller(caller.as_deref(), error))
    })
}

/// Most bytes of a BLOB.
const MOST_BYTES: usize = u32::MAX as usize;
const WORD: usize = size_of::<f64>();

/// Points in the first argument as one value: their number of coordinates, then these row by row, all
/// little-endian. NULL when there are none.
///
/// # Errors
/// Points of unequal lengths, or more than one value can hold.
pub fn pack(input: &Chunk, row: usize) -> Result<Value, Box<dyn Error>> {
    let caller = (input.width() > 1).then(|| input.column(1).text(row)).transpose()?;
    let is_shown = input.width() > 2 && input.column(2).values::<u8>()[row] != 0;
    let argument = if caller.is_some() { "features" } else { "points" };
    let packed = || -> Result<Value, Box<dyn Error>> {
        let lists = input.column(0);
        let rows = Rows::read(&lists.child(), lists.list(row))?;
        let (n_values, most) = (rows.values.len(), MOST_BYTES / WORD - 1);
        if n_values == 0 {
            return Ok(Value::Null);
        }
        if n_values > most {
            let found = format!("{n_values} numbers in all");
            return Err(Failure::argument(argument, found, format!("{most} at most")).into());
        }
        let mut packed = Vec::with_capacity((1 + n_values) * WORD);
        packed.extend((rows.dimensions as u64).to_le_bytes());
        for value in rows.values.iter() {
            packed.extend(value.to_le_bytes());
        }
        Ok(packed.into())
    };
    progress::during("footfall", is_shown, "packing", packed).map_err(|error| as_caller(caller, error))
}

/// The number of coordinates of packed points, and their values as bytes.
///
/// # Errors
/// Other bytes than those of [`pack`].
fn unpack(packed: &[u8]) -> Result<(usize, &[[u8; WORD]]), Failure> {
    let (words, rest) = packed.as_chunks();
    match words.split_first() {
        Some((&first, values)) if rest.is_empty() && !values.is_empty() => {
            let dimensions = u64::from_le_bytes(first);
            if dimensions > 0 && (values.len() as u64).is_multiple_of(dimensions) {
                return Ok((dimensions as usize, values));
            }
        }
        _ => {}
    }
    let found = format!("a BLOB of {} bytes", packed.len());
    Err(Failure::argument("points", found, "a value made by pack_points"))
}

/// The points in a row of a DOUBLE[][] column, and how often each counts in the same row of a DOUBLE[]
/// column, where an empty list stands for once each; nothing when there are none. Points that are NULL,
/// hold a NULL or have a weight of 0 or NULL are left out.
///
/// # Errors
/// As [`Points::new`], points of unequal lengths, and those of [`counts`]; a point is named by its
/// place in the list.
fn points(
    column: &Column,
    weights: Option<&Column>,
    row: usize,
    threads: usize,
) -> Result<Option<Points>, Box<dyn Error>> {
    let lists = column.child();
    let range = column.list(row);
    let counts = weights.map_or(Ok(None), |weights| counts(weights, row, range.len()))?;
    let rows = Rows::read(&lists, range)?;
    if rows.values.is_empty() {
        return Ok(None);
    }
    let points = match (counts, &rows.places) {
        (None, _) => Points::new(&rows.values, rows.dimensions, threads),
        (Some(counts), None) => Points::weighted(&rows.values, &counts, rows.dimensions, threads),
        (Some(counts), Some(places)) => {
            let counts: Vec<u64> = places.iter().map(|&place| counts[place]).collect();
            Points::weighted(&rows.values, &counts, rows.dimensions, threads)
        }
    };
    match points {
        Err(Failure::NoPoints) => Ok(None),
        points => Ok(Some(points.map_err(|error| rows.in_list(error))?)),
    }
}

/// How often each of `n_points` points counts, as a row of a DOUBLE[] column says; nothing for an empty list.
///
/// # Errors
/// Not one weight per point, or weights that are not whole numbers from 0 or add up to more than a DOUBLE
/// can tell apart.
fn counts(weights: &Column, row: usize, n_points: usize) -> Result<Option<Vec<u64>>, Failure> {
    const MOST: f64 = (1u64 << 53) as f64;
    let range = weights.list(row);
    if range.is_empty() {
        return Ok(None);
    }
    if range.len() != n_points {
        return Err(Failure::argument(
            "weights",
            format!("a list of {}", range.len()),
            format!("one weight for each of the {n_points} points"),
        ));
    }
    let weights = weights.child();
    let values = weights.values::<f64>();
    let mut total = 0.0;
    let counts = range.map(|index| {
        let weight = if weights.is_null(index) { 0.0 } else { values[index] };
        total += weight;
        if weight >= 0.0 && weight.fract() == 0.0 && total <= MOST {
            Ok(weight as u64)
        } else {
            Err(Failure::argument(
                "weights",
                weight,
                "whole numbers from 0 that add up to 2^53 at most",
            ))
        }
    });
    counts.collect::<Result<_, _>>().map(Some)
}

/// Points as one row-major array.
struct Rows<'a> {
    values: Cow<'a, [f64]>,
    dimensions: usize,
    /// The place in the list of each point, where some were left out.
    places: Option<Vec<usize>>,
}

impl<'a> Rows<'a> {
    fn read(lists: &Column<'a>, range: Range<usize>) -> Result<Self, Failure> {
        let coordinates = lists.child();
        let values = coordinates.values::<f64>();
        let entries = &lists.entries()[range.clone()];
        // What a list of lists made by list() looks like: used in place.
        if let Some(first) = entries.first().filter(|_| lists.all_valid() && coordinates.all_valid()) {
            let (start, dimensions) = (first.offset, first.length);
            let regular = entries
                .iter()
                .enumerate()
                .all(|(index, entry)| entry.length == dimensions && entry.offset == start + index as u64 * dimensions);
            if regular && dimensions > 0 {
                let (start, dimensions) = (start as usize, dimensions as usize);
                return Ok(Self {
                    values: Cow::Borrowed(&values[start..start + entries.len() * dimensions]),
                    dimensions,
                    places: None,
                });
            }
        }
        let mut copied = Vec::new();
        let mut places = Vec::new();
        let mut expected = None;
        for (place, index) in range.enumerate() {
            if lists.is_null(index) {
                continue;
            }
            let span = lists.list(index);
            let length = *expected.get_or_insert(span.len());
            if span.len() != length {
                return Err(Failure::UnequalLengths {
                    row: place,
                    found: span.len(),
                    expected: length,
                });
            }
            if length == 0 {
                return Err(Failure::NoDimensions);
            }
            if coordinates.all_valid() || !span.clone().any(|index| coordinates.is_null(index)) {
                copied.extend_from_slice(&values[span]);
                places.push(place);
            }
        }
        Ok(Self {
            values: Cow::Owned(copied),
            dimensions: expected.unwrap_or(0),
            places: Some(places),
        })
    }

    /// The error with the point's place in the list.
    fn in_list(&self, error: Failure) -> Failure {
        match &self.places {
            Some(places) => error.among_all(places),
            None => error,
        }
    }
}

/// Calls `found(row, cluster from 0, squared distance)` for every row of
/// `(model, point)` in which nothing is NULL: not the model, not the point, no
/// coordinate. The other rows are left to the caller, who has made them NULL.
///
/// # Errors
/// A damaged model; a point of another length or with a coordinate that is not
/// finite.
pub fn assign(input: &Chunk, mut found: impl FnMut(usize, usize, f64)) -> Result<(), Failure> {
    let mut models = Models::new(input.column(0), input.len());
    let points = input.column(1);
    let coordinates = points.child();
    let values = coordinates.values::<f64>();
    let entries = points.entries();
    let no_nulls = points.all_valid() && coordinates.all_valid();
    let mut row = 0;
    while row < input.len() {
        if input.any_null(row) {
            row += 1;
            continue;
        }
        let end = models.same_until(row);
        let assigner = models.decode(row)?;
        let dimensions = assigner.dimensions();
        let start = entries[row].offset as usize;
        let in_place = no_nulls
            && (row..end).all(|at| {
                entries[at].length as usize == dimensions
                    && entries[at].offset as usize == start + (at - row) * dimensions
            });
        if in_place {
            let values = &values[start..start + (end - row) * dimensions];
            check(values)?;
            assigner.assign_rows(values, |index, cluster, square| found(row + index, cluster, square));
        } else {
            for at in (row..end).filter(|&at| !points.is_null(at)) {
                let span = points.list(at);
                if span.len() != dimensions {
                    return Err(Failure::PointLength {
                        found: span.len(),
                        expected: dimensions,
                    });
                }
                if !coordinates.all_valid() && span.clone().any(|index| coordinates.is_null(index)) {
                    continue;
                }
                check(&values[span.clone()])?;
                let (cluster, square) = assigner.assign(&values[span]);
                found(at, cluster, square);
            }
        }
        row = end;
    }
    Ok(())
}

fn check(values: &[f64]) -> Result<(), Failure> {
    match values.iter().find(|value| !value.is_finite()) {
        None => Ok(()),
        Some(&value) => Err(Failure::PointNotFinite { value }),
    }
}

/// The models of a chunk. A model that is constant over the chunk is decoded
/// once: its rows have equal (offset, length) pairs.
struct Models<'a> {
    model: &'a Column<'a>,
    rows: usize,
    centroids: Column<'a>,
    scale: Column<'a>,
    log: Column<'a>,
    decoded: Option<(Vec<f64>, Vec<f64>, bool, Assigner)>,
}

impl<'a> Models<'a> {
    fn new(model: &'a Column<'a>, rows: usize) -> Self {
        Self {
            model,
            rows,
            centroids: model.field(CENTROIDS),
            scale: model.field(SCALE),
            log: model.field(LOG),
            decoded: None,
        }
    }

    /// The end of the run of rows from `row` on that have this row's model.
    fn same_until(&self, row: usize) -> usize {
        let (centroids, scales, logs) = (self.centroids.entries(), self.scale.entries(), self.log.values::<u8>());
        let columns = [self.model, &self.centroids, &self.scale, &self.log];
        let no_nulls = columns.iter().all(|column| column.all_valid());
        // What stands in a NULL row may look like any model.
        let same = |at: usize| {
            (no_nulls || !columns.iter().any(|column| column.is_null(at)))
                && centroids[at].offset == centroids[row].offset
                && centroids[at].length == centroids[row].length
                && scales[at].offset == scales[row].offset
                && scales[at].length == scales[row].length
                && logs[at] == logs[row]
        };
        (row..self.rows).find(|&at| !same(at)).unwrap_or(self.rows)
    }

    fn decode(&mut self, row: usize) -> Result<&Assigner, Failure> {
        let damaged = |what: &str| Failure::Clustering(format!("its {what} is NULL or holds a NULL"));
        if self.centroids.is_null(row) || self.scale.is_null(row) || self.log.is_null(row) {
            return Err(damaged("centroids, scale or log"));
        }
        let places = self.centroids.child();
        let range = self.centroids.list(row);
        if range.is_empty() {
            return Err(Failure::Clustering("it has no centroids".into()));
        }
        let scale = doubles(&self.scale, row).ok_or_else(|| damaged("scale"))?;
        let mut centroids = Vec::with_capacity(range.len() * scale.len());
        for index in range {
            let centroid = doubles(&places, index).ok_or_else(|| damaged("centroids"))?;
            if centroid.len() != scale.len() {
                return Err(Failure::Clustering(format!(
                    "a centroid has {} coordinates and the scale {}",
                    centroid.len(),
                    scale.len()
                )));
            }
            centroids.extend(centroid);
        }
        let log = self.log.values::<u8>()[row] != 0;
        let known = self
            .decoded
            .take()
            .filter(|known| known.0 == centroids && known.1 == scale && known.2 == log);
        let assigner = match known {
            Some((.., assigner)) => assigner,
            None => Assigner::from_parts(&centroids, &scale, log)?,
        };
        Ok(&self.decoded.insert((centroids, scale, log, assigner)).3)
    }
}

/// A DOUBLE[] without NULLs.
fn doubles(column: &Column, row: usize) -> Option<Vec<f64>> {
    if column.is_null(row) {
        return None;
    }
    let values = column.child();
    let range = column.list(row);
    if range.clone().any(|index| values.is_null(index)) {
        return None;
    }
    Some(values.values::<f64>()[range].to_vec())
}

/// The probabilities of every row of `(mixture, point)`, nothing where the
/// mixture, the point or a coordinate is NULL.
///
/// # Errors
/// As [`assign`].
pub fn memberships(input: &Chunk) -> Result<Vec<Option<Vec<f64>>>, Failure> {
    let mixture = input.column(0);
    let points = input.column(1);
    let coordinates = points.child();
    // Weights, means, covariances; log.
    let parts = [mixture.field(1), mixture.field(2), mixture.field(3)];
    let log = mixture.field(9);
    let place = |row: usize| {
        parts
            .each_ref()
            .map(|part| (part.entries()[row].offset, part.entries()[row].length))
    };
    let mut decoded: Option<(usize, Membership)> = None;
    let mut results = Vec::with_capacity(input.len());
    for row in 0..input.len() {
        let span = points.list(row);
        if input.any_null(row) || span.clone().any(|index| coordinates.is_null(index)) {
            results.push(None);
            continue;
        }
        let same = |known: usize| place(known) == place(row) && log.values::<u8>()[known] == log.values::<u8>()[row];
        let membership = match decoded.take().filter(|&(known, _)| same(known)) {
            Some((_, membership)) => membership,
            None => decode_mixture(&parts, &log, row)?,
        };
        if span.len() != membership.dimensions() {
            return Err(Failure::PointLength {
                found: span.len(),
                expected: membership.dimensions(),
            });
        }
        let point = &coordinates.values::<f64>()[span];
        check(point)?;
        results.push(Some(membership.probabilities(point)));
        decoded = Some((row, membership));
    }
    Ok(results)
}

fn decode_mixture(parts: &[Column; 3], log: &Column, row: usize) -> Result<Membership, Failure> {
    let damaged = || Failure::DamagedMixture("a part of it is NULL or holds a NULL".into());
    if log.is_null(row) {
        return Err(damaged());
    }
    let [weights, means, covariances] = parts.each_ref().map(|part| flattened(part, row));
    Membership::from_parts(
        &weights.ok_or_else(damaged)?,
        &means.ok_or_else(damaged)?,
        &covariances.ok_or_else(damaged)?,
        log.values::<u8>()[row] != 0,
    )
}

/// The numbers of nested lists in order, without NULLs at any level.
fn flattened(column: &Column, row: usize) -> Option<Vec<f64>> {
    if column.is_null(row) {
        return None;
    }
    let child = column.child();
    let range = column.list(row);
    if child.is_double() {
        return doubles(column, row);
    }
    let mut numbers = Vec::new();
    for index in range {
        numbers.extend(flattened(&child, index)?);
    }
    Some(numbers)
}
