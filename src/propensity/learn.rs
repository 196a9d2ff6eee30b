//! From rows to a model: the penalty is that of the least log loss on the users of the validation.

use super::logistic::{Regression, Scaling, Table};
use super::model::{Baseline, PropensityModel};
use super::newton::{EXACT, Newton, ROUGH, mean_loss};
use super::plan::Plan;
use super::rows::{self, Part};
use crate::compute::job;
use crate::error::Error;

/// The penalties that are tried, per row: the strongest first.
const PENALTIES: [f64; 8] = [1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7];
/// The penalty of a baseline, per row: hardly any.
const HARDLY: f64 = 1e-7;

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Learned {
    /// Nothing where all labels are the same.
    pub model: Option<PropensityModel>,
    /// Users at cut-offs.
    pub n_rows: usize,
    /// Rows with the label true.
    pub n_positive: usize,
    /// Rows of the users who chose the penalty.
    pub n_validation: usize,
    /// The mean log loss of these.
    pub validation_loss: Option<f64>,
}

/// Learns from the packed rows of a plan, those of the test left out.
///
/// # Errors
/// [`Error::Damaged`] for rows that are none.
pub fn learn(plan: &Plan, bytes: &[u8], threads: usize) -> Result<Learned, Error> {
    let (table, n_train) = table(plan, bytes)?;
    let (n_rows, n_positive) = (table.len(), table.n_positive());
    let mut learned = Learned {
        model: None,
        n_rows,
        n_positive,
        n_validation: n_rows - n_train,
        validation_loss: None,
    };
    if n_positive == 0 || n_positive == n_rows {
        return Ok(learned);
    }
    let scaling = table.scaling(threads);
    let choice = choose(&table, &scaling, n_train, threads);
    let penalty = choice.penalty * n_rows as f64;
    let coefficients = Newton::near(&table, &scaling, 0..n_rows, choice.coefficients, threads).fit(penalty, EXACT);
    let baselines = PropensityModel::baseline_features(plan).map(|places| baseline(&table, places, threads));
    let base_rate = n_positive as f64 / n_rows as f64;
    let regression = Regression::new(scaling, coefficients);
    learned.validation_loss = choice.loss;
    learned.model = Some(PropensityModel::new(
        plan.clone(),
        regression,
        penalty,
        base_rate,
        baselines,
    ));
    Ok(learned)
}

/// The rows in an order of their own, those that train first, and how many these are.
fn table(plan: &Plan, bytes: &[u8]) -> Result<(Table, usize), Error> {
    let n_features = plan.features().len();
    let mut records = rows::read(bytes, n_features)?.collect::<Result<Vec<_>, _>>()?;
    records.retain(|record| record.part != Part::Test && record.label.is_some());
    records.sort_unstable_by_key(|record| (record.part == Part::Validation, record.order()));
    let n_train = records.iter().filter(|record| record.part == Part::Train).count();
    let mut table = Table::new(n_features);
    for record in &records {
        job::check();
        table.push(record.features(), record.label == Some(true));
    }
    Ok((table, n_train))
}

/// A penalty per row, the coefficients that it gives, and their loss on the validation.
struct Choice {
    penalty: f64,
    coefficients: Vec<f64>,
    loss: Option<f64>,
}

/// The penalty that is best for the users of the validation; the strongest of equally good ones.
fn choose(table: &Table, scaling: &Scaling, n_train: usize, threads: usize) -> Choice {
    let (train, validation) = (0..n_train, n_train..table.len());
    if train.is_empty() || validation.is_empty() {
        return Choice {
            penalty: PENALTIES[2],
            coefficients: table.base(0..table.len()),
            loss: None,
        };
    }
    let mut best: Option<Choice> = None;
    let mut search = Newton::new(table, scaling, train, threads);
    for penalty in PENALTIES {
        let coefficients = search.fit(penalty * n_train as f64, ROUGH);
        let loss = mean_loss(table, scaling, validation.clone(), coefficients.clone(), threads);
        let least = best.as_ref().and_then(|best| best.loss).unwrap_or(f64::INFINITY);
        if loss < least {
            best = Some(Choice {
                penalty,
                coefficients,
                loss: Some(loss),
            });
        }
    }
    best.expect("a loss is a number")
}

fn baseline(table: &Table, places: Vec<usize>, threads: usize) -> Baseline {
    let columns = table.columns(&places);
    let scaling = columns.scaling(threads);
    let penalty = HARDLY * columns.len() as f64;
    let coefficients = Newton::new(&columns, &scaling, 0..columns.len(), threads).fit(penalty, EXACT);
    Baseline {
        places,
        regression: Regression::new(scaling, coefficients),
    }
}
