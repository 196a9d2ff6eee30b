//! Segmentation against scikit-learn's recorded results, against brute force,
//! and the laws it must obey: neither the order of the rows nor the number of
//! threads nor a translation changes a clustering.

use footfall::error::Error;
use footfall::random::Random;
use footfall::segment::kmeans::blocks::{Blocks, LANES};
use footfall::segment::kmeans::choose::choose;
use footfall::segment::kmeans::coreset;
use footfall::segment::kmeans::lloyd::{Lloyd, inertia, labels};
use footfall::segment::kmeans::model::{Assigner, Model};
use footfall::segment::kmeans::quality::{SILHOUETTE_POINTS, measure};
use footfall::segment::kmeans::start::Start;
use footfall::segment::kmeans::{MANY, Options, fit};
use footfall::segment::mixture::{self, Membership};
use footfall::segment::points::Points;
use footfall::segment::scale::Scaling;
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    dimensions: usize,
    points: Vec<f64>,
    results: Vec<Expected>,
    mixtures: Vec<ExpectedMixture>,
}

#[derive(Deserialize)]
struct ExpectedMixture {
    k: usize,
    log_likelihood: f64,
    weights: Vec<f64>,
}

#[derive(Deserialize)]
struct Expected {
    k: usize,
    inertia: f64,
    sizes: Vec<u64>,
    silhouette: Option<f64>,
    davies_bouldin: Option<f64>,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("recorded/segments.json")).unwrap()
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance * b.abs().max(1e-300)
}

#[test]
fn agrees_with_scikit_learn() {
    for set in recorded() {
        let points = Points::new(&set.points, set.dimensions, 1).unwrap();
        for expected in &set.results {
            let context = format!("{} k = {}", set.name, expected.k);
            let model = fit(&points, expected.k, &Options::default()).unwrap();
            // Ten starts are never worse than two hundred of scikit-learn's.
            assert!(
                model.inertia <= expected.inertia * (1.0 + 1e-9),
                "{context}: inertia {} above {}",
                model.inertia,
                expected.inertia
            );
            if !close(model.inertia, expected.inertia, 1e-9) {
                continue;
            }
            // A customer between two centroids may be counted to either, so the
            // measures that need labels agree less closely than the inertia.
            assert_eq!(model.sizes, expected.sizes, "{context}");
            let quality = measure(&model, &points, 0, 1).unwrap();
            for (what, found, expected) in [
                ("silhouette", quality.silhouette, expected.silhouette),
                ("Davies-Bouldin", quality.davies_bouldin, expected.davies_bouldin),
            ] {
                match (found, expected) {
                    (Some(found), Some(expected)) => {
                        assert!(
                            close(found, expected, 1e-6),
                            "{context}: {what} {found}, not {expected}"
                        );
                    }
                    (found, expected) => assert_eq!(found, expected, "{context}: {what}"),
                }
            }
        }
    }
}

#[test]
fn mixtures_agree_with_scikit_learn() {
    for set in recorded() {
        let points = Points::new(&set.points, set.dimensions, 1).unwrap();
        let scaling = Scaling::fit(&points, true, false, 1);
        let log_scale: f64 = scaling.deviations.iter().map(|scale| scale.ln()).sum();
        for expected in &set.mixtures {
            let options = Options {
                max_iterations: 10_000,
                ..Options::default()
            };
            let mixture = mixture::fit(&points, expected.k, &options).unwrap();
            // scikit-learn's density is per standard deviation.
            let found = mixture.log_likelihood + log_scale;
            assert!(
                found >= expected.log_likelihood - 1e-5,
                "k = {}: {found} below {}",
                expected.k,
                expected.log_likelihood
            );
            if (found - expected.log_likelihood).abs() < 1e-5 {
                for (a, b) in mixture.weights.iter().zip(&expected.weights) {
                    assert!((a - b).abs() < 1e-3, "k = {}: {:?}", expected.k, mixture.weights);
                }
            }
        }
    }
}

#[test]
fn a_mixture_survives_a_customer_far_from_all_others() {
    let mut values = customers(9, 500, 1);
    values.push(1e9);
    let points = Points::new(&values, 1, 1).unwrap();
    let mixture = mixture::fit(&points, 3, &Options::default()).unwrap();
    assert!(mixture.log_likelihood.is_finite());
    let membership = Membership::from_parts(&mixture.weights, &mixture.means, &mixture.covariances, false).unwrap();
    for value in [0.0, 4.0, 1e9, -1e9, 1e300] {
        let probabilities = membership.probabilities(&[value]);
        assert!(
            (probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-12,
            "{probabilities:?}"
        );
    }
}

#[test]
fn mixtures_do_not_depend_on_row_order_or_threads() {
    let values = customers(12, 5000, 3);
    let fit = |values: &[f64], threads| {
        let points = Points::new(values, 3, threads).unwrap();
        let options = Options {
            threads,
            max_iterations: 20,
            n_init: 2,
            ..Options::default()
        };
        format!("{:?}", mixture::fit(&points, 4, &options).unwrap())
    };
    assert_eq!(fit(&values, 1), fit(&shuffled(&values, 3, 1), 3));
}

/// Customers with days, counts and (in the third column) money.
fn customers(seed: u64, n: usize, dimensions: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut values = Vec::new();
    for _ in 0..n {
        for dimension in 0..dimensions {
            values.push(match dimension {
                0 => random.below(9) as f64,
                1 => (1.0 - random.uniform()).ln().abs().mul_add(3.0, 1.0).floor(),
                _ => (random.normal() + if random.below(3) == 0 { 4.0 } else { 0.0 }).exp(),
            });
        }
    }
    values
}

fn shuffled(values: &[f64], dimensions: usize, seed: u64) -> Vec<f64> {
    let mut rows: Vec<&[f64]> = values.chunks(dimensions).collect();
    Random::new(seed).shuffle(&mut rows);
    rows.concat()
}

/// Nearest centroid by the definition; the nearest two distances with it.
fn brute_force(model: &Model, point: &[f64]) -> (usize, f64, f64) {
    let coordinate = |value: f64| {
        if model.log {
            value.signum() * value.abs().ln_1p()
        } else {
            value
        }
    };
    let mut squares: Vec<(f64, usize)> = model
        .centroids
        .chunks(model.dimensions())
        .map(|centroid| {
            (0..point.len())
                .map(|i| ((coordinate(point[i]) - coordinate(centroid[i])) / model.scale[i]).powi(2))
                .sum()
        })
        .enumerate()
        .map(|(j, square)| (square, j))
        .collect();
    squares.sort_by(|a, b| a.0.total_cmp(&b.0));
    (
        squares[0].1,
        squares[0].0,
        squares.get(1).map_or(f64::INFINITY, |second| second.0),
    )
}

#[test]
fn merging_is_exact_and_canonical() {
    for (dimensions, n) in [
        (1, 10),
        (2, 5000),
        (3, 5000),
        (5, 3000),
        (2, 200_000),
        (3, 150_000),
        (70, 300),
    ] {
        let values = customers(n as u64, n, dimensions);
        let points = Points::new(&values, dimensions, 1).unwrap();
        assert_eq!(
            points,
            Points::new(&shuffled(&values, dimensions, 1), dimensions, 3).unwrap()
        );
        assert_eq!(points.total(), n as u64);
        // The same by sorting text.
        let mut counts = std::collections::BTreeMap::<Vec<u64>, u64>::new();
        for row in values.chunks(dimensions) {
            *counts
                .entry(row.iter().map(|value| value.to_bits()).collect())
                .or_default() += 1;
        }
        let found: std::collections::BTreeMap<Vec<u64>, u64> = (0..points.len())
            .map(|i| {
                (
                    points.point(i).iter().map(|value| value.to_bits()).collect(),
                    points.weights()[i],
                )
            })
            .collect();
        assert_eq!(found, counts);
        assert_eq!(found.len(), points.len());
    }
}

#[test]
fn weights_count_as_repeated_rows() {
    let values = customers(1, 400, 2);
    let weights: Vec<u64> = (0..400).map(|i| i % 4).collect();
    let repeated: Vec<f64> = values
        .chunks(2)
        .zip(&weights)
        .flat_map(|(row, &weight)| row.repeat(weight as usize))
        .collect();
    assert_eq!(
        Points::weighted(&values, &weights, 2, 1).unwrap(),
        Points::new(&repeated, 2, 1).unwrap()
    );
}

#[test]
fn zeros_of_both_signs_are_one_point() {
    let points = Points::new(&[0.0, -0.0, -0.0, 0.0, 0.0, 0.0, -0.0, -0.0], 2, 1).unwrap();
    assert_eq!((points.len(), points.weights()), (1, &[4][..]));
    assert_eq!(points.point(0).iter().map(|x| x.to_bits()).sum::<u64>(), 0);
}

#[test]
fn threads_and_row_order_leave_every_byte() {
    // 8 dimensions and 40,000 points: nothing merges and several chunks are used.
    for (dimensions, n, log, start) in [
        (2, 60_000, false, Start::PlusPlus),
        (3, 40_000, true, Start::PlusPlus),
        (3, 40_000, false, Start::Parallel),
        (8, 40_000, false, Start::PlusPlus),
    ] {
        let values = customers(7, n, dimensions);
        let run = |values: &[f64], threads| {
            let points = Points::new(values, dimensions, threads).unwrap();
            let options = Options {
                n_init: 3,
                log,
                start,
                threads,
                ..Options::default()
            };
            let model = fit(&points, 6, &options).unwrap();
            let quality = measure(&model, &points, 5, threads).unwrap();
            (format!("{model:?}"), format!("{quality:?}"))
        };
        let expected = run(&values, 1);
        assert_eq!(expected, run(&values, 2));
        assert_eq!(expected, run(&values, 5));
        assert_eq!(expected, run(&shuffled(&values, dimensions, 3), 4));
    }
}

#[test]
fn pruning_changes_no_result() {
    // The same iterations by the definition.
    for (dimensions, k) in [(1, 3), (2, 7), (3, 12), (8, 5)] {
        let values = customers(11, 3000, dimensions);
        let points = Points::new(&values, dimensions, 1).unwrap();
        let scaling = Scaling::fit(&points, true, false, 1);
        let blocks = Blocks::new(&points, &scaling, 1);
        let places: Vec<Vec<f64>> = (0..points.len()).map(|index| blocks.point(index)).collect();
        let start: Vec<f64> = (0..k).flat_map(|j| places[j * places.len() / k].clone()).collect();
        let mut lloyd = Lloyd::new(&blocks, start.clone(), 1);
        lloyd.run(10_000);
        let mut centroids: Vec<Vec<f64>> = start.chunks(dimensions).map(<[f64]>::to_vec).collect();
        for _ in 0..lloyd.iterations() {
            let mut sums = vec![vec![0.0; dimensions + 1]; k];
            for (place, &weight) in places.iter().zip(points.weights()) {
                let square = |c: &[f64]| place.iter().zip(c).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
                let nearest = (0..k)
                    .min_by(|&a, &b| square(&centroids[a]).total_cmp(&square(&centroids[b])))
                    .unwrap();
                sums[nearest][dimensions] += weight as f64;
                for axis in 0..dimensions {
                    sums[nearest][axis] += weight as f64 * place[axis];
                }
            }
            for (centroid, sum) in centroids.iter_mut().zip(sums) {
                for axis in 0..dimensions {
                    centroid[axis] = sum[axis] / sum[dimensions];
                }
            }
        }
        for (a, b) in lloyd.centroids().iter().zip(centroids.iter().flatten()) {
            assert!((a - b).abs() < 1e-9, "{dimensions} dimensions: {a} instead of {b}");
        }
    }
}

/// Above [`MANY`] points starts come from a sample; what they end in moves no further than the
/// tolerance in Lloyd's iterations on all points, is the same for any order of rows and number of
/// threads, and no worse than from starts drawn from all points.
#[test]
fn starts_from_a_sample_end_on_all_points() {
    let n = MANY + 5_000;
    let values = customers(3, n, 3);
    let points = Points::new(&values, 3, 2).unwrap();
    assert!(points.len() > MANY);
    let options = Options {
        n_init: 2,
        threads: 2,
        ..Options::default()
    };
    let model = fit(&points, 5, &options).unwrap();
    let mixed = Points::new(&shuffled(&values, 3, 4), 3, 1).unwrap();
    let again = fit(&mixed, 5, &Options { threads: 1, ..options }).unwrap();
    assert_eq!(format!("{model:?}"), format!("{again:?}"));

    let scaling = Scaling::fit(&points, true, false, 2);
    let blocks = Blocks::new(&points, &scaling, 2);
    let rows = model.centroids.chunks(3);
    let scaled: Vec<f64> = rows
        .flat_map(|row| (0..3).map(|axis| scaling.forward(axis, row[axis])))
        .collect();
    let mut lloyd = Lloyd::new(&blocks, scaled.clone(), 2);
    lloyd.run(1);
    let moves = scaled
        .iter()
        .zip(lloyd.centroids())
        .map(|(from, to)| (from - to).powi(2));
    let moved: f64 = moves.sum();
    assert!(moved < 1e-4, "{moved}");
    let mut whole = Lloyd::new(&blocks, Start::PlusPlus.draw(&blocks, 5, 1, 2), 2);
    whole.run(300);
    assert!(
        model.inertia <= whole.inertia() * (1.0 + 1e-3),
        "{} {}",
        model.inertia,
        whole.inertia()
    );
}

/// On a coreset any centroids cost about what they cost on all points, few far customers with a large
/// part of the inertia included: those are in it, one by one.
#[test]
fn a_coreset_costs_what_all_points_cost() {
    let mut values = customers(8, 100_000, 2);
    for far in 0..20 {
        values.extend([1000.0 + 10.0 * f64::from(far), 5.0]);
    }
    let points = Points::new(&values, 2, 2).unwrap();
    let scaling = Scaling::fit(&points, true, false, 2);
    let blocks = Blocks::new(&points, &scaling, 2);
    let coreset = coreset::draw(&points, &blocks, &scaling, 2000, 7, 2).unwrap();
    assert!(coreset.len() < 3000, "{}", coreset.len());
    let drawn = Blocks::new(&coreset, &scaling, 2);
    for seed in 0..5 {
        let centroids = Start::PlusPlus.draw(&blocks, 3, seed, 2);
        let (all, some) = (inertia(&blocks, &centroids, 2), inertia(&drawn, &centroids, 2) / 1024.0);
        assert!(close(some, all, 0.05), "{all} {some}");
    }
    let far = (0..coreset.len()).filter(|&index| coreset.point(index)[0] >= 1000.0);
    let stands_for: Vec<f64> = far.map(|index| coreset.weights()[index] as f64 / 1024.0).collect();
    assert_eq!(stands_for.len(), 20);
    assert!(
        stands_for.iter().all(|points| (0.5..2.0).contains(points)),
        "{stands_for:?}"
    );
}

/// A relaxed step never raises the inertia, the last one ends on the means of the points, and
/// iterated to the end nothing moves any more.
#[test]
fn relaxed_iterations_descend_and_end_on_means() {
    let points = Points::new(&customers(3, 20_000, 7), 3, 1).unwrap();
    let scaling = Scaling::fit(&points, true, false, 1);
    let blocks = Blocks::new(&points, &scaling, 1);
    let start = Start::PlusPlus.draw(&blocks, 8, 3, 1);
    let relaxed = |n| {
        let mut lloyd = Lloyd::relaxed(&blocks, start.clone(), 1);
        lloyd.run(n);
        lloyd
    };
    let mut before = f64::INFINITY;
    for n in 1..60 {
        let now = relaxed(n).inertia();
        assert!(now <= before * (1.0 + 1e-12), "{n}: {now} after {before}");
        before = now;
    }

    let mut rough = Lloyd::relaxed(&blocks, start.clone(), 1);
    rough.run_roughly(1000, 1e-3);
    let stopped = rough.iterations();
    let centroids = relaxed(stopped - 1).centroids().to_vec();
    let dimensions = blocks.dimensions();
    let mut sums = vec![0.0; 8 * (dimensions + 1)];
    for (index, label) in labels(&blocks, &centroids, 1).into_iter().enumerate() {
        let sums = &mut sums[usize::from(label) * (dimensions + 1)..][..dimensions + 1];
        let weight = points.weights()[index] as f64;
        sums[dimensions] += weight;
        for (sum, value) in sums.iter_mut().zip(blocks.point(index)) {
            *sum += weight * value;
        }
    }
    for (centroid, sums) in rough.centroids().chunks(dimensions).zip(sums.chunks(dimensions + 1)) {
        for (coordinate, sum) in centroid.iter().zip(sums) {
            assert!(close(*coordinate, sum / sums[dimensions], 1e-9), "{coordinate}");
        }
    }

    let end = relaxed(10_000);
    assert!(stopped < end.iterations() && end.iterations() < 10_000);
    let mut plain = Lloyd::new(&blocks, end.centroids().to_vec(), 1);
    plain.run(1);
    for (before, after) in end.centroids().iter().zip(plain.centroids()) {
        assert!(close(*before, *after, 1e-9), "{before} {after}");
    }
}

#[test]
fn clusters_without_points_are_seeded_again() {
    // Two far places for three centroids of which two are equal to none: the
    // ones in the void must come back.
    let values: Vec<f64> = (0..50).map(f64::from).collect();
    let points = Points::new(&values, 1, 1).unwrap();
    let scaling = Scaling::fit(&points, false, false, 1);
    let blocks = Blocks::new(&points, &scaling, 1);
    let mut lloyd = Lloyd::new(&blocks, vec![0.0, 1e6, 2e6, -1e6], 1);
    lloyd.run(1000);
    let mut sizes = [0; 4];
    for label in labels(&blocks, lloyd.centroids(), 1) {
        sizes[usize::from(label)] += 1;
    }
    assert!(sizes.iter().all(|&size| size > 0), "{sizes:?}");
}

#[test]
fn as_many_clusters_as_points_leave_no_inertia() {
    let points = Points::new(&[3.0, 1.0, 2.0, 1.0, 1.0, 2.0], 1, 1).unwrap();
    let model = fit(&points, 3, &Options::default()).unwrap();
    assert_eq!(model.sizes, [3, 2, 1]);
    assert_eq!(model.inertia, 0.0);
    for (centroid, expected) in model.centroids.iter().zip([1.0, 2.0, 3.0]) {
        assert!((centroid - expected).abs() < 1e-12);
    }
}

#[test]
fn ties_go_to_the_smaller_centroid_whatever_its_number() {
    // 2 lies between the centroids 1 and 3; cluster 1 is the larger one, at 3.
    for (centroids, cluster) in [([3.0, 1.0], 1), ([1.0, 3.0], 0)] {
        let assigner = Assigner::from_parts(&centroids, &[1.0], false).unwrap();
        assert_eq!(assigner.assign(&[2.0]), (cluster, 1.0));
    }
}

#[test]
fn the_log_scale_keeps_centroids_in_units() {
    let values = customers(3, 2000, 3);
    let points = Points::new(&values, 3, 1).unwrap();
    let model = fit(
        &points,
        3,
        &Options {
            log: true,
            ..Options::default()
        },
    )
    .unwrap();
    let logs: Vec<f64> = values.iter().map(|value| value.ln_1p()).collect();
    let of_logs = fit(&Points::new(&logs, 3, 1).unwrap(), 3, &Options::default()).unwrap();
    assert_eq!(model.sizes, of_logs.sizes);
    for (a, b) in model.centroids.iter().zip(&of_logs.centroids) {
        assert!(close(*a, b.exp_m1(), 1e-9));
    }
    assert!(close(model.inertia, of_logs.inertia, 1e-9));
}

#[test]
fn k_means_parallel_is_as_good_a_start() {
    for set in recorded() {
        let points = Points::new(&set.points, set.dimensions, 1).unwrap();
        for expected in &set.results {
            let options = Options {
                start: Start::Parallel,
                n_init: 20,
                ..Options::default()
            };
            let model = fit(&points, expected.k, &options).unwrap();
            assert!(
                model.inertia <= expected.inertia * 1.02,
                "{} k = {}",
                set.name,
                expected.k
            );
        }
    }
}

#[test]
fn the_silhouette_of_a_sample_is_near_the_exact_one() {
    let n = 30_000;
    let mut random = Random::new(2);
    let values: Vec<f64> = (0..n)
        .flat_map(|i| {
            let centre = f64::from(i % 3) * 4.0;
            [centre + random.normal(), random.normal()]
        })
        .collect();
    let points = Points::new(&values, 2, 1).unwrap();
    assert!(points.len() > SILHOUETTE_POINTS);
    let model = fit(&points, 3, &Options::default()).unwrap();
    let sampled = measure(&model, &points, 1, 1).unwrap().silhouette.unwrap();
    // Every 10th point is few enough to be measured exactly.
    let few: Vec<f64> = values.chunks(20).flat_map(|rows| rows[..2].to_vec()).collect();
    let exact = measure(&model, &Points::new(&few, 2, 1).unwrap(), 1, 1)
        .unwrap()
        .silhouette
        .unwrap();
    assert!((sampled - exact).abs() < 0.01, "{sampled} and {exact}");
}

#[test]
fn a_sample_keeps_its_size_and_its_shares() {
    let points = Points::weighted(&[1.0, 2.0, 3.0], &[600, 300, 100], 1, 1).unwrap();
    for offset in [0.0, 0.3, 0.999] {
        let sample = points.sample(100, offset);
        assert!((99..=101).contains(&sample.total()), "{}", sample.total());
        for (found, expected) in sample.weights().iter().zip([60u64, 30, 10]) {
            assert!(found.abs_diff(expected) <= 1, "{:?}", sample.weights());
        }
    }
    assert_eq!(points.sample(1000, 0.5), points);
}

#[test]
fn three_groups_are_chosen() {
    let mut random = Random::new(4);
    let values: Vec<f64> = (0..300)
        .flat_map(|i| {
            let (x, y) = [(0.0, 0.0), (10.0, 0.0), (0.0, 10.0)][i % 3];
            [x + random.normal(), y + random.normal()]
        })
        .collect();
    let points = Points::new(&values, 2, 1).unwrap();
    let choices = choose(&points, 1..=6, &Options::default()).unwrap();
    let chosen: Vec<usize> = choices
        .iter()
        .filter(|choice| choice.chosen)
        .map(|choice| choice.model.k())
        .collect();
    assert_eq!(chosen, [3]);
    assert_eq!(choices[0].quality.silhouette, None);
    assert_eq!(choices[0].quality.davies_bouldin, None);
    // Few points: the range ends where the points do.
    let few = Points::new(&[1.0, 2.0, 5.0, 5.0], 1, 1).unwrap();
    assert_eq!(choose(&few, 2..=10, &Options::default()).unwrap().len(), 2);
}

#[test]
fn wrong_use_is_refused() {
    let points = Points::new(&[1.0, 2.0, 2.0], 1, 1).unwrap();
    let options = Options::default();
    assert_eq!(Points::new(&[], 2, 1), Err(Error::NoPoints));
    assert_eq!(Points::new(&[], 0, 1), Err(Error::NoDimensions));
    assert_eq!(Points::new(&[1.0, 1e200], 1, 1), Err(Error::TooWide { dimension: 0 }));
    let bad = Points::new(&[1.0, 2.0, 3.0, f64::INFINITY], 2, 1);
    let expected = Error::NotFinite {
        row: 1,
        dimension: 1,
        value: f64::INFINITY,
        n_rows: 1,
    };
    assert_eq!(bad, Err(expected));
    assert!(Points::new(&[1.0, 2.0, f64::NAN, 4.0], 2, 1).is_err());
    assert_eq!(
        fit(&points, 0, &options),
        Err(Error::Clusters {
            argument: "k",
            found: 0
        })
    );
    assert_eq!(
        fit(&points, 3, &options),
        Err(Error::TooManyClusters {
            argument: "k",
            found: 3,
            distinct: 2,
            was_noisy: false
        })
    );
    assert!(
        fit(
            &points,
            2,
            &Options {
                n_init: 0,
                ..Options::default()
            }
        )
        .is_err()
    );
    assert!(
        fit(
            &points,
            2,
            &Options {
                max_iterations: 0,
                ..Options::default()
            }
        )
        .is_err()
    );
    for (centroids, scale) in [
        (&[1.0, 2.0][..], &[][..]),
        (&[], &[1.0]),
        (&[1.0, 2.0, 3.0], &[1.0, 1.0]),
        (&[1.0], &[0.0]),
        (&[1.0], &[f64::NAN]),
        (&[f64::NAN], &[1.0]),
    ] {
        assert!(matches!(
            Assigner::from_parts(centroids, scale, false),
            Err(Error::Clustering(_))
        ));
    }
    assert!(Start::parse("random").is_err());
}

#[test]
fn extreme_coordinates_stay_finite() {
    for values in [
        vec![1e-138, 2e-138, 5e-138, 5e-138],
        vec![1e139, -1e139, 0.0, 1.0],
        vec![f64::MIN_POSITIVE, 0.0, 1.0, 1.0],
        vec![1.5e9, 1.5e9 + 1.0, 1.5e9 + 2.0, 1.5e9],
        vec![7.0; 4],
        vec![1e300; 4],
    ] {
        let points = Points::new(&values, 1, 1).unwrap();
        for (standardise, log) in [(true, false), (false, false), (true, true)] {
            let options = Options {
                standardise,
                log,
                ..Options::default()
            };
            for k in 1..=points.len() {
                let model = match fit(&points, k, &options) {
                    // f64::MIN_POSITIVE and 0 are one number beside 1.
                    Err(Error::TooManyClusters { distinct, .. }) if k > 1 => {
                        assert_eq!((k, distinct), (points.len(), points.len() - 1), "{values:?}");
                        continue;
                    }
                    model => model.unwrap(),
                };
                assert!(
                    model.centroids.iter().all(|value| value.is_finite()),
                    "{values:?} {model:?}"
                );
                assert!(model.inertia.is_finite(), "{values:?} {model:?}");
                assert!(model.sizes.iter().all(|&size| size > 0), "{values:?} {model:?}");
                assert_eq!(model.sizes.iter().sum::<u64>(), 4);
            }
        }
    }
}

/// The sum of the same payments in `n` orders, each followed by a real coordinate.
fn sums_in_any_order(n: usize, n_payments: usize) -> Vec<f64> {
    let mut random = Random::new(7);
    let mut payments: Vec<f64> = (0..n_payments).map(|_| random.below(100_000) as f64 / 100.0).collect();
    let mut values = Vec::new();
    for i in 0..n {
        random.shuffle(&mut payments);
        values.extend([payments.iter().sum::<f64>(), (i % 7) as f64]);
    }
    values
}

#[test]
fn rounding_noise_parts_no_points() {
    for n_payments in [3, 30, 1000] {
        let noisy = sums_in_any_order(500, n_payments);
        let exact: Vec<f64> = noisy.chunks(2).flat_map(|row| [noisy[0], row[1]]).collect();
        let distinct: std::collections::BTreeSet<u64> = noisy.iter().step_by(2).map(|value| value.to_bits()).collect();
        assert!(distinct.len() > 1, "the orders make no difference");
        for (standardise, log) in [(true, false), (false, false), (true, true)] {
            let options = Options {
                standardise,
                log,
                ..Options::default()
            };
            let of = |values: &[f64], k| fit(&Points::new(values, 2, 1).unwrap(), k, &options);
            for k in 1..=7 {
                let (noisy, exact) = (of(&noisy, k).unwrap(), of(&exact, k).unwrap());
                assert_eq!((&noisy.sizes, &noisy.scale), (&exact.sizes, &exact.scale), "k = {k}");
                assert_eq!(noisy.scale[0], 1.0);
                assert_eq!(noisy.inertia, exact.inertia);
            }
            let expected = Error::TooManyClusters {
                argument: "k",
                found: 8,
                distinct: 7,
                was_noisy: true,
            };
            assert_eq!(of(&noisy, 8), Err(expected));
        }
        // A mixture has the same components, and the same weights to the byte.
        let of = |values: &[f64]| mixture::fit(&Points::new(values, 2, 1).unwrap(), 2, &Options::default()).unwrap();
        assert_eq!(of(&noisy).weights, of(&exact).weights);
    }
}

#[test]
fn a_small_spread_that_is_real_counts() {
    let float = |value: f64| f64::from(value as f32);
    for (values, log, is_real) in [
        // Digits behind a large offset, and around 0.
        ([1e9, 1e9 + 1.0, 1e9 + 100.0], false, true),
        ([1e9, 1e9 + 1e-4, 1e9 + 2e-4], false, true),
        ([0.0, 1e-9, 2e-9], false, true),
        ([-1e-100, 0.0, 1e-100], false, true),
        // Whole numbers are exact, their logarithms are not.
        ([1e15, 1e15 + 1.0, 1e15 + 2.0], false, true),
        ([-1e15, -1e15 - 1.0, -1e15 - 2.0], false, true),
        ([1e15, 1e15 + 1.0, 1e15 + 2.0], true, false),
        ([1e17, 1e17 + 16.0, 1e17 + 32.0], false, false),
        ([1e15 + 0.5, 1e15 + 1.0, 1e15 + 2.0], false, false),
        // FLOATs: 0.3 is 0.300000012 and the next ones are 3e-8 apart; a thousandth is real.
        ([float(0.3), float(0.300_000_04), float(0.300_000_07)], false, false),
        ([float(9.99), float(9.98), float(9.97)], false, true),
        ([0.3, float(0.3), 0.300_000_01], false, true),
        // Below what has a square.
        ([0.0, 5e-324, 1e-300], false, false),
    ] {
        let points = Points::new(&values, 1, 1).unwrap();
        let options = Options {
            log,
            ..Options::default()
        };
        assert_eq!(fit(&points, 3, &options).is_ok(), is_real, "{values:?}, log: {log}");
        let scale = fit(&points, 1, &options).unwrap().scale[0];
        if is_real {
            let differences = values.map(|value| value - values[0]);
            let mean = differences.iter().sum::<f64>() / 3.0;
            let variance = differences.map(|d| (d - mean) * (d - mean)).iter().sum::<f64>() / 3.0;
            assert!(close(scale, variance.sqrt(), 1e-9), "{values:?}: {scale}");
        } else {
            assert!(scale >= 1.0, "{values:?}: {scale}");
        }
    }
}

#[test]
fn noise_as_wide_as_a_real_coordinate_adds_nothing_to_a_distance() {
    let values: Vec<f64> = (0..40)
        .flat_map(|i| [1e100 * (1.0 + f64::from(i % 2) * f64::EPSILON), f64::from(i % 4)])
        .collect();
    let points = Points::new(&values, 2, 1).unwrap();
    let model = fit(&points, 4, &Options::default()).unwrap();
    assert_eq!(model.sizes, [10; 4]);
    let assigner = Assigner::new(&model).unwrap();
    for row in values.chunks(2) {
        let (cluster, square) = assigner.assign(row);
        assert_eq!(model.centroids[2 * cluster + 1], row[1]);
        assert!(square <= 1.1e-6, "{square}");
    }
    let mixture = mixture::fit(&points, 2, &Options::default()).unwrap();
    let membership = Membership::from_parts(&mixture.weights, &mixture.means, &mixture.covariances, false).unwrap();
    let [even, odd] = [&values[..2], &[values[2], values[1]]].map(|row| membership.probabilities(row));
    assert!(
        even.iter().zip(&odd).all(|(a, b)| (a - b).abs() < 1e-5),
        "{even:?} {odd:?}"
    );
}

#[test]
fn clusters_that_only_rounding_parts_are_not_chosen() {
    let sums = [1000.1, 1000.2, 1001.7].map(|sum| [sum, sum + 2e-13]).concat();
    let values: Vec<f64> = (0..60).map(|i| sums[i % 6]).collect();
    let points = Points::new(&values, 1, 1).unwrap();
    let choices = choose(&points, 2..=6, &Options::default()).unwrap();
    let chosen: Vec<usize> = choices.iter().filter(|c| c.chosen).map(|c| c.model.k()).collect();
    assert_eq!(chosen, [3]);
}

#[test]
fn logarithms_keep_the_sign() {
    let money = [-100.0, -3.5, -0.0, 0.0, 1e-9, 2.0, 50.0, 1e6];
    let points = Points::new(&money, 1, 1).unwrap();
    let options = Options {
        log: true,
        ..Options::default()
    };
    for k in 1..=points.len() {
        let model = fit(&points, k, &options).unwrap();
        let assigner = Assigner::new(&model).unwrap();
        for &value in &money {
            let (expected, square, _) = brute_force(&model, &[value]);
            let (cluster, found) = assigner.assign(&[value]);
            assert!(cluster == expected && (square - found).abs() < 1e-12);
        }
        if k == points.len() {
            let mut centroids = model.centroids.clone();
            centroids.sort_by(f64::total_cmp);
            let mut distinct = money.to_vec();
            distinct.dedup_by(|a, b| a == b);
            assert!(
                centroids
                    .iter()
                    .zip(&distinct)
                    .all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + b.abs()))
            );
        }
    }
    // The mirror image of the money is in the mirror images of the clusters.
    let mirrored: Vec<f64> = money.iter().map(|value| -value).collect();
    let of = |values: &[f64]| mixture::fit(&Points::new(values, 1, 1).unwrap(), 1, &options).unwrap();
    let (there, back) = (of(&money), of(&mirrored));
    assert!(close(there.means[0], -back.means[0], 1e-9) && close(there.covariances[0], back.covariances[0], 1e-9));
}

fn points_strategy() -> impl Strategy<Value = (usize, Vec<f64>)> {
    (1usize..5, 1usize..120).prop_flat_map(|(dimensions, rows)| {
        let value = prop_oneof![(0i32..6).prop_map(f64::from), -50.0..50.0f64];
        (Just(dimensions), prop::collection::vec(value, rows * dimensions))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sizes_inertia_and_order_are_those_of_the_assignment((dimensions, values) in points_strategy(), k in 1usize..8, seed in 0u64..1000) {
        let points = Points::new(&values, dimensions, 1).unwrap();
        prop_assume!(k <= points.len());
        let model = fit(&points, k, &Options { seed, n_init: 2, ..Options::default() }).unwrap();
        let assigner = Assigner::new(&model).unwrap();
        let mut sizes = vec![0u64; k];
        let mut inertia = 0.0;
        for row in values.chunks(dimensions) {
            let (cluster, square) = assigner.assign(row);
            let (expected, expected_square, second) = brute_force(&model, row);
            prop_assert!((square - expected_square).abs() <= 1e-9 * (1.0 + square));
            // Equally near centroids are told apart by another test.
            if second > expected_square + 1e-9 {
                prop_assert_eq!(cluster, expected);
            }
            sizes[cluster] += 1;
            inertia += square;
        }
        prop_assert_eq!(&sizes, &model.sizes);
        prop_assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]));
        prop_assert!((inertia - model.inertia).abs() <= 1e-9 * (1.0 + inertia));
    }

    #[test]
    fn rows_in_any_order_give_the_same_bytes((dimensions, values) in points_strategy(), seed in 0u64..1000) {
        let points = Points::new(&values, dimensions, 1).unwrap();
        let mixed = Points::new(&shuffled(&values, dimensions, seed), dimensions, 2).unwrap();
        let k = points.len().min(3);
        let options = Options { seed, n_init: 2, ..Options::default() };
        prop_assert_eq!(format!("{:?}", fit(&points, k, &options)), format!("{:?}", fit(&mixed, k, &options)));
    }

    // Whole numbers and a whole shift, so that the translation is exact.
    #[test]
    fn translation_moves_the_centroids_and_nothing_else(
        rows in prop::collection::vec((0i32..40, 0i32..40), 8..80), shift in -1000i32..1000, seed in 0u64..1000
    ) {
        let values = |shift: i32| -> Vec<f64> {
            rows.iter().flat_map(|&(x, y)| [f64::from(x + shift), f64::from(y - shift)]).collect()
        };
        let (here, there) = (Points::new(&values(0), 2, 1).unwrap(), Points::new(&values(shift), 2, 1).unwrap());
        prop_assume!(here.len() >= 3);
        let options = Options { seed, ..Options::default() };
        let (a, b) = (fit(&here, 3, &options).unwrap(), fit(&there, 3, &options).unwrap());
        prop_assert!((a.inertia - b.inertia).abs() <= 1e-7 * (1.0 + a.inertia), "{:?} {:?}", a, b);
        if a.sizes == b.sizes && a.sizes[0] > a.sizes[1] && a.sizes[1] > a.sizes[2] {
            for (a, b) in a.centroids.chunks(2).zip(b.centroids.chunks(2)) {
                prop_assert!((a[0] + f64::from(shift) - b[0]).abs() < 1e-6);
                prop_assert!((a[1] - f64::from(shift) - b[1]).abs() < 1e-6);
            }
        }
    }

    // A centroid more, at any point, never makes the sum of squares larger, and
    // iterating only makes it smaller.
    #[test]
    fn inertia_never_rises_with_k_from_the_same_starts((dimensions, values) in points_strategy(), seed in 0u64..1000) {
        let points = Points::new(&values, dimensions, 1).unwrap();
        let scaling = Scaling::fit(&points, true, false, 1);
        let blocks = Blocks::new(&points, &scaling, 1);
        let mut random = Random::new(seed);
        let mut start = blocks.point(0);
        let mut before = f64::INFINITY;
        for _ in 1..points.len().min(8) {
            let at_start = inertia(&blocks, &start, 1);
            let mut lloyd = Lloyd::new(&blocks, start.clone(), 1);
            lloyd.run(1000);
            prop_assert!(lloyd.inertia() <= at_start * (1.0 + 1e-12) + 1e-12);
            prop_assert!(lloyd.inertia() <= before * (1.0 + 1e-12) + 1e-12);
            before = lloyd.inertia();
            start = lloyd.centroids().to_vec();
            start.extend(blocks.point(random.below(points.len() as u64) as usize));
        }
    }

    #[test]
    fn labels_are_the_nearest_centroids((dimensions, values) in points_strategy(), seed in 0u64..1000, k in 1usize..20) {
        let points = Points::new(&values, dimensions, 1).unwrap();
        let scaling = Scaling::fit(&points, true, false, 1);
        let blocks = Blocks::new(&points, &scaling, 1);
        let mut random = Random::new(seed);
        let centroids: Vec<f64> = (0..k * dimensions).map(|_| random.normal()).collect();
        for (index, label) in labels(&blocks, &centroids, 1).into_iter().enumerate() {
            prop_assert!(index / LANES < blocks.len());
            let place = blocks.point(index);
            let square = |j: usize| -> f64 {
                place.iter().zip(&centroids[j * dimensions..]).map(|(a, b)| (a - b) * (a - b)).sum()
            };
            let nearest = (0..k).map(square).fold(f64::INFINITY, f64::min);
            prop_assert!(square(usize::from(label)) <= nearest * (1.0 + 1e-12));
        }
    }
}
