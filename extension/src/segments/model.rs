//! The model of a clustering: made, read, and given points.

use super::points::{check, doubles, points_type};
use crate::fields::{Fields, columns};
use crate::value::{Type, Value};
use crate::vector::{Chunk, Column};
use footfall::error::Error as Failure;
use footfall::segment::kmeans::model::{Assigner, Model};

/// What a model holds.
pub const MODEL: Fields<Model> = Fields(&[
    ("k", || Type::Bigint, |model| (model.k() as i64).into()),
    ("centroids", points_type, |model| {
        rows(&model.centroids, model.dimensions())
    }),
    (
        "scale",
        || Type::list(Type::Double),
        |model| Value::list(model.scale.iter().copied()),
    ),
    (
        "sizes",
        || Type::list(Type::Bigint),
        |model| Value::list(model.sizes.iter().map(|&size| size as i64)),
    ),
    ("inertia", || Type::Double, |model| model.inertia.into()),
    ("iterations", || Type::Bigint, |model| (model.iterations as i64).into()),
    ("seed", || Type::Bigint, |model| (model.seed as i64).into()),
    ("log", || Type::Boolean, |model| model.log.into()),
]);

/// A list for each row of `values`, shape (rows, `width`).
pub fn rows(values: &[f64], width: usize) -> Value {
    let rows = values.chunks_exact(width).map(|row| Value::list(row.iter().copied()));
    Value::List(rows.collect())
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
            let values = values.rows(start..start + (end - row) * dimensions);
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
                let point = values.rows(span);
                check(point)?;
                let (cluster, square) = assigner.assign(point);
                found(at, cluster, square);
            }
        }
        row = end;
    }
    Ok(())
}

/// The models of a chunk. A model that is constant over the chunk is decoded
/// once: its rows have equal (offset, length) pairs.
pub struct Models<'a> {
    model: &'a Column<'a>,
    rows: usize,
    centroids: Column<'a>,
    scale: Column<'a>,
    log: Column<'a>,
    decoded: Option<(Vec<f64>, Vec<f64>, bool, Assigner)>,
}

impl<'a> Models<'a> {
    /// Those of a column of that many rows.
    pub fn new(model: &'a Column<'a>, rows: usize) -> Self {
        const PLACES: [usize; 3] = [
            MODEL.position("centroids"),
            MODEL.position("scale"),
            MODEL.position("log"),
        ];
        let [centroids, scale, log] = columns(model, PLACES);
        Self {
            model,
            rows,
            centroids,
            scale,
            log,
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

    /// The model of a row.
    ///
    /// # Errors
    /// Parts that are NULL or do not fit together.
    pub fn decode(&mut self, row: usize) -> Result<&Assigner, Failure> {
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
