//! Outliers against every distance there is, against SciPy, and the laws they must obey.

use footfall::error::Error;
use footfall::limits::MAX_NEIGHBOURS;
use footfall::random::Random;
use footfall::segment::outliers::{Outliers, Settings, find, spread};
use footfall::segment::points::Points;

/// Rows of which many are equal and many distances too: whole numbers, some coordinates wide and some narrow.
fn whole_numbers(seed: u64, rows: usize, dimensions: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    let value = |i: usize| {
        let spread = [2.0, 40.0, 1.0, 9.0][i % dimensions % 4];
        (random.normal() * spread).round()
    };
    (0..rows * dimensions).map(value).collect()
}

fn real_numbers(seed: u64, rows: usize, dimensions: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..rows * dimensions).map(|_| random.normal()).collect()
}

/// What [`find`] promises, from all distances: the distance of each row, and the neighbours where they are not
/// as far as another one.
fn check_all(values: &[f64], dimensions: usize, settings: &Settings) {
    let found = find(values, dimensions, settings).unwrap();
    let points = Points::new(values, dimensions, 1).unwrap();
    let scaling = spread::scaling(&points, settings.standardise, settings.log, 1);
    let rows: Vec<&[f64]> = values.chunks(dimensions).collect();
    let scaled: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| (0..dimensions).map(|axis| scaling.forward(axis, row[axis])).collect())
        .collect();
    let part = |a: usize, b: usize, axis: usize| (scaled[a][axis] - scaled[b][axis]).powi(2);
    for (row, own) in rows.iter().enumerate() {
        let mut others: Vec<(f64, usize)> = (0..rows.len())
            .filter(|&other| other != row)
            .map(|other| ((0..dimensions).map(|axis| part(row, other, axis)).sum(), other))
            .collect();
        others.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count = settings.neighbours.min(others.len());
        let ours = found.row(row).unwrap();
        let theirs = others[count - 1].0.sqrt();
        assert!(
            (ours.distance - theirs).abs() <= 1e-12 * theirs,
            "row {row} {own:?}: {} not {theirs}",
            ours.distance
        );
        if others.get(count).is_some_and(|next| next.0 == others[count - 1].0) {
            continue;
        }
        let mut shares = vec![0.0; dimensions];
        for axis in 0..dimensions {
            let mean = others[..count].iter().map(|&(_, other)| rows[other][axis]).sum::<f64>() / count as f64;
            assert!(
                (ours.nearest[axis] - mean).abs() <= 1e-9 * (1.0 + mean.abs()),
                "row {row} {own:?}"
            );
            shares[axis] = others[..count].iter().map(|&(_, other)| part(row, other, axis)).sum();
        }
        let total: f64 = shares.iter().sum();
        let largest = shares.iter().copied().fold(0.0, f64::max);
        match ours.stands_out {
            None => assert_eq!(total, 0.0, "row {row} {own:?}"),
            Some((axis, share)) => {
                assert!((shares[axis] - largest).abs() <= 1e-9 * largest, "row {row} {own:?}");
                assert!((share - largest / total).abs() < 1e-9, "row {row} {own:?}");
            }
        }
    }
}

#[test]
fn neighbours_are_the_nearest_of_all() {
    for (seed, rows, dimensions) in [(1, 2, 1), (2, 9, 2), (3, 700, 1), (4, 700, 2), (5, 900, 4), (6, 400, 9)] {
        for neighbours in [1, 5, 40] {
            for (standardise, log) in [(true, false), (false, false), (true, true)] {
                let settings = Settings {
                    neighbours,
                    standardise,
                    log,
                    threads: 2,
                };
                check_all(&whole_numbers(seed, rows, dimensions), dimensions, &settings);
                check_all(&real_numbers(seed, rows, dimensions), dimensions, &settings);
            }
        }
    }
}

/// The records of rows in another order.
fn in_order(found: &Outliers, order: &[usize]) -> Vec<Vec<f64>> {
    order.iter().map(|&row| found.record(row).to_vec()).collect()
}

#[test]
fn neither_order_nor_threads_change_a_byte() {
    for values in [whole_numbers(7, 3000, 3), real_numbers(8, 3000, 3)] {
        let found = find(&values, 3, &Settings::default()).unwrap();
        let mut order: Vec<usize> = (0..3000).collect();
        Random::new(9).shuffle(&mut order);
        let mixed: Vec<f64> = order.iter().flat_map(|&row| &values[row * 3..][..3]).copied().collect();
        for threads in [1, 3] {
            let again = find(
                &mixed,
                3,
                &Settings {
                    threads,
                    ..Settings::default()
                },
            )
            .unwrap();
            let everywhere: Vec<usize> = (0..3000).collect();
            assert_eq!(in_order(&again, &everywhere), in_order(&found, &order));
        }
    }
}

/// ```python
/// import numpy
/// from scipy.stats.mstats import winsorize
/// x = numpy.array([i * i % 97 + 0.25 * (i % 4) for i in range(250)] + [1e6], float)
/// w = winsorize(x, limits=(0.01, 0.01)).data; print(repr(w.mean()), repr(w.std()))
/// y = numpy.log1p(x); w = winsorize(y, limits=(0.01, 0.01)).data; print(repr(w.mean()), repr(w.std()))
/// ```
#[test]
fn spread_is_that_of_scipy_with_its_ends_drawn_in() {
    let square = |i: usize| (i * i % 97) as f64 + 0.25 * (i % 4) as f64;
    let values: Vec<f64> = (0..250).map(square).chain([1e6]).collect();
    let points = Points::new(&values, 1, 1).unwrap();
    for (log, mean, deviation) in [
        (false, 48.84362549800797, 30.59432379721363),
        (true, 3.562826121446854, 1.018222583027117),
    ] {
        let scaling = spread::scaling(&points, true, log, 1);
        assert!((scaling.means[0] - mean).abs() < 1e-12 * mean, "{:?}", scaling.means);
        assert!(
            (scaling.deviations[0] - deviation).abs() < 1e-12 * deviation,
            "{:?}",
            scaling.deviations
        );
    }
}

#[test]
fn one_far_away_leaves_the_others_as_they_are() {
    let mut values = real_numbers(10, 1000, 2);
    values.extend([7.0, 0.0]);
    let rank = |found: &Outliers, row: usize| {
        let distance = |row: usize| found.row(row).unwrap().distance;
        (0..found.len())
            .filter(|&other| distance(other) > distance(row))
            .count()
    };
    let before = find(&values, 2, &Settings::default()).unwrap();
    assert_eq!(rank(&before, 1000), 0);
    for far in [1e9, 1e100, 1e139] {
        let with = [&values[..], &[0.0, far]].concat();
        let after = find(&with, 2, &Settings::default()).unwrap();
        assert_eq!((rank(&after, 1001), rank(&after, 1000)), (0, 1), "{far}");
        let (a, b) = (before.row(1000).unwrap().distance, after.row(1000).unwrap().distance);
        assert!((a - b).abs() < 0.05 * a, "{far}: {b}, not {a}");
        assert_eq!(after.row(1001).unwrap().stands_out, Some((1, 1.0)));
    }
}

#[test]
fn a_coordinate_of_noise_parts_nobody() {
    let noisy = |i: usize| [i as f64, if i.is_multiple_of(2) { 0.3 } else { 0.1 + 0.2 }];
    let flat = |i: usize| [i as f64, 0.3];
    let with: Vec<f64> = (0..50).flat_map(noisy).collect();
    let without: Vec<f64> = (0..50).flat_map(flat).collect();
    let found = [with, without].map(|values| find(&values, 2, &Settings::default()).unwrap());
    for row in 0..50 {
        let [a, b] = found.each_ref().map(|found| found.row(row).unwrap());
        assert_eq!((a.distance, a.stands_out), (b.distance, b.stands_out));
    }
}

#[test]
fn few_points_and_equal_points_have_an_answer() {
    let alone = find(&[1.0, 2.0], 2, &Settings::default()).unwrap();
    assert_eq!(alone.row(0), None);
    let equal = find(&[5.0; 30], 1, &Settings::default()).unwrap();
    let of = equal.row(29).unwrap();
    assert_eq!((of.distance, of.stands_out, of.nearest), (0.0, None, vec![5.0]));
    // Both zeros are one.
    let zeros = find(&[0.0, -0.0, 0.0], 1, &Settings::default()).unwrap();
    assert_eq!(zeros.record(0), zeros.record(1));
}

#[test]
fn wrong_points_and_settings_are_refused() {
    let neighbours = |neighbours| Settings {
        neighbours,
        ..Settings::default()
    };
    for wrong in [0, MAX_NEIGHBOURS + 1] {
        let error = find(&[1.0], 1, &neighbours(wrong)).unwrap_err();
        assert!(matches!(error, Error::Argument { .. }), "{error}");
    }
    assert!(find(&[1.0, f64::NAN], 1, &Settings::default()).is_err());
    assert!(matches!(find(&[], 1, &Settings::default()), Err(Error::NoPoints)));
}
