//! What can go wrong in segmentation, one variant per thing a caller can act on.

use thiserror::Error;

/// An input or a setting that segmentation cannot work with.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum SegmentError {
    /// No point to learn from.
    #[error("argument 'points' holds no points; allowed: at least one point that is not NULL")]
    NoPoints,
    /// Points without coordinates.
    #[error("argument 'points' holds points without coordinates; allowed: one or more coordinates per point")]
    NoDimensions,
    /// A point that differs in length from the first one. `row` counts from 0.
    #[error(
        "argument 'points': point {} has {found} coordinates; allowed: {expected}, as the first point has",
        row + 1
    )]
    UnequalLengths { row: usize, found: usize, expected: usize },
    /// NaN or an infinity. `row` and `dimension` count from 0; `n_rows` is how many rows have one there.
    #[error("argument 'points': coordinate {} of point {} is {value}; allowed: finite numbers", dimension + 1, row + 1)]
    NotFinite {
        row: usize,
        dimension: usize,
        value: f64,
        n_rows: usize,
    },
    /// Coordinates whose spread overflows a DOUBLE.
    #[error("argument 'points': the values of coordinate {} lie too far apart; allowed: within 1e140 of each other", dimension + 1)]
    TooWide { dimension: usize },
    /// No cluster, or more clusters than anyone can use.
    #[error("argument 'k' is {found}; allowed: 1 to {}", crate::segment::kmeans::MAX_CLUSTERS)]
    Clusters { found: i64 },
    /// The same for the components of a mixture.
    #[error("argument 'k' is {found}; allowed: 1 to {}", crate::segment::gmm::MAX_COMPONENTS)]
    Components { found: usize },
    /// More clusters than distinct points.
    #[error(
        "argument '{argument}' is {found}; allowed: at most {distinct}, the number of distinct points{}",
        if *was_noisy { " when differences within rounding are left out" } else { "" }
    )]
    TooManyClusters {
        argument: &'static str,
        found: usize,
        distinct: usize,
        /// Whether there were points that differ by rounding only.
        was_noisy: bool,
    },
    /// A setting outside its range.
    #[error("option '{option}' is {found}; allowed: {allowed}")]
    Setting {
        option: &'static str,
        found: String,
        allowed: &'static str,
    },
    /// A point of another length than the model's.
    #[error("argument 'point' has {found} coordinates; allowed: {expected}, as the model has")]
    PointLength { found: usize, expected: usize },
    /// NaN or an infinity in a point to be assigned.
    #[error("argument 'point' has the coordinate {value}; allowed: finite numbers")]
    PointNotFinite { value: f64 },
    /// A model whose parts do not fit together.
    #[error("argument 'model' is damaged: {0}; allowed: a value made by kmeans or gmm")]
    Model(String),
    /// The mixture could not be fitted.
    #[error("the mixture cannot be fitted: {0}")]
    Mixture(String),
}

impl SegmentError {
    /// The error of some rows, row `i` of which was row `places[i]` among all: it names that one.
    pub fn among_all(self, places: &[usize]) -> Self {
        match self {
            Self::NotFinite {
                row,
                dimension,
                value,
                n_rows,
            } => Self::NotFinite {
                row: places[row],
                dimension,
                value,
                n_rows,
            },
            error => error,
        }
    }

    /// The error of a number of clusters that was given as `argument`.
    pub fn under(self, argument: &'static str) -> Self {
        match self {
            Self::TooManyClusters {
                found,
                distinct,
                was_noisy,
                ..
            } => Self::TooManyClusters {
                argument,
                found,
                distinct,
                was_noisy,
            },
            error => error,
        }
    }
}
