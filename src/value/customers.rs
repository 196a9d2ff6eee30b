//! The sufficient statistics of a customer: how often bought again, when last, and how long known.

use crate::error::Error;
use std::cmp::Ordering;

/// The most purchases of one customer: one a day for a century. A fit takes a step for each.
pub const MOST_PURCHASES: f64 = 36_525.0;
/// The longest time, in whatever unit.
pub const LONGEST: f64 = 1e9;

/// One customer, times counted from the first purchase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Customer {
    /// Purchases after the first.
    pub x: f64,
    /// When the last of them was; 0 without one.
    pub t_x: f64,
    /// When the observation ended.
    pub age: f64,
}

impl Customer {
    /// Checks the statistics.
    ///
    /// # Errors
    /// [`Error::Argument`] for what no customer can have, with what is allowed.
    pub fn new(argument: &'static str, x: f64, t_x: f64, age: f64) -> Result<Self, Error> {
        let wrong = |field: &str, value: f64, allowed: &str| {
            Err(Error::argument(
                argument,
                format!("a customer with {field} {value}"),
                allowed,
            ))
        };
        if !(0.0..=MOST_PURCHASES).contains(&x) || x.fract() != 0.0 {
            return wrong("x", x, "whole numbers of repeat purchases from 0 to 36525");
        }
        if !(0.0..=LONGEST).contains(&age) {
            return wrong("age", age, "times from 0 to 1e9");
        }
        if !(0.0..=age).contains(&t_x) {
            return wrong("t_x", t_x, "times from 0 to the customer's age");
        }
        if x == 0.0 && t_x != 0.0 {
            return wrong("x 0 and t_x", t_x, "a t_x of 0 without a repeat purchase");
        }
        // Not the -0 that DOUBLEs have beside it.
        Ok(Self {
            x,
            t_x: t_x + 0.0,
            age: age + 0.0,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.x
            .total_cmp(&other.x)
            .then(self.t_x.total_cmp(&other.t_x))
            .then(self.age.total_cmp(&other.age))
    }
}

/// Different customers with the number of each, in an order of their own.
#[derive(Clone, Debug)]
pub struct Customers {
    /// By x, then t_x, then age.
    distinct: Vec<(Customer, f64)>,
}

impl Customers {
    /// Merges equal customers: the same ones give the same result in any order, merged before or not.
    pub fn new(mut weighted: Vec<(Customer, u64)>) -> Self {
        weighted.sort_unstable_by(|a, b| a.0.compare(&b.0));
        let mut distinct: Vec<(Customer, u64)> = Vec::new();
        for (customer, n) in weighted.into_iter().filter(|&(_, n)| n > 0) {
            match distinct.last_mut() {
                Some((last, total)) if *last == customer => *total += n,
                _ => distinct.push((customer, n)),
            }
        }
        Self {
            distinct: distinct.into_iter().map(|(customer, n)| (customer, n as f64)).collect(),
        }
    }

    /// The different customers and the number of each.
    pub fn distinct(&self) -> &[(Customer, f64)] {
        &self.distinct
    }

    /// How many there are, equal ones counted.
    pub fn count(&self) -> f64 {
        self.distinct.iter().map(|(_, n)| n).sum()
    }

    /// How many have bought again.
    pub fn n_repeat(&self) -> f64 {
        self.sum(|customer| f64::from(u8::from(customer.x > 0.0)))
    }

    /// The sum of something over all customers.
    pub fn sum(&self, of: impl Fn(&Customer) -> f64) -> f64 {
        self.distinct.iter().map(|(customer, n)| n * of(customer)).sum()
    }

    /// About `n` of the different customers, evenly taken: enough to find where a search should begin.
    pub fn thinned(&self, n: usize) -> Self {
        let every = self.distinct.len().div_ceil(n).max(1);
        Self {
            distinct: self.distinct.iter().copied().skip(every / 2).step_by(every).collect(),
        }
    }
}
