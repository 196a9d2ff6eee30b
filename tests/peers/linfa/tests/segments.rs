//! Segmentation against linfa-clustering, where that gives an answer.

use footfall::random::Random;
use footfall::segment::kmeans::Options;
use footfall::segment::kmeans::blocks::Blocks;
use footfall::segment::kmeans::lloyd::Lloyd;
use footfall::segment::mixture;
use footfall::segment::outliers::{self, Settings};
use footfall::segment::points::Points;
use footfall::segment::scale::Scaling;
use linfa::DatasetBase;
use linfa::ParamGuard;
use linfa::traits::{Fit, Transformer};
use linfa_clustering::{Dbscan, GaussianMixtureModel, KMeans, Optics};
use ndarray::Array2;
use serde::Deserialize;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    dimensions: usize,
    points: Vec<f64>,
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("../../../recorded/segments.json")).unwrap()
}

#[test]
fn linfa_ends_where_lloyd_stays() {
    for set in recorded() {
        let points = Points::new(&set.points, set.dimensions, 1).unwrap();
        let scaling = Scaling::fit(&points, true, false, 1);
        // linfa knows no weights, so it gets every row.
        let scaled = set.points.iter().enumerate();
        let scaled: Vec<f64> = scaled
            .map(|(i, &value)| scaling.forward(i % set.dimensions, value))
            .collect();
        let data = Array2::from_shape_vec((scaled.len() / set.dimensions, set.dimensions), scaled).unwrap();
        let data = DatasetBase::from(data);
        for k in 2..=6 {
            let theirs = KMeans::params(k)
                .n_runs(1)
                .max_n_iterations(10_000)
                .tolerance(1e-13)
                .fit(&data)
                .unwrap();
            let start: Vec<f64> = theirs.centroids().iter().copied().collect();
            let blocks = Blocks::new(&points, &scaling, 1);
            let mut ours = Lloyd::new(&blocks, start.clone(), 1);
            ours.run(1000);
            for (a, b) in ours.centroids().iter().zip(&start) {
                assert!((a - b).abs() < 1e-6, "{} k = {k}: {a} instead of {b}", set.name);
            }
        }
    }
}

#[test]
fn mixtures_agree_with_linfa_where_it_works() {
    let mut random = Random::new(8);
    let values: Vec<f64> = (0..600)
        .flat_map(|i| {
            let (x, y) = (random.normal(), random.normal());
            if i % 3 == 0 {
                [8.0 + 2.0 * x, 1.5 * x + y]
            } else {
                [x, 6.0 + 0.3 * y]
            }
        })
        .collect();
    let points = Points::new(&values, 2, 1).unwrap();
    let options = Options {
        standardise: false,
        ..Options::default()
    };
    let ours = mixture::fit(&points, 2, &options).unwrap();
    let data = DatasetBase::from(Array2::from_shape_vec((600, 2), values).unwrap());
    let theirs = GaussianMixtureModel::params(2).tolerance(1e-9).fit(&data).unwrap();
    let order = if theirs.weights()[0] > theirs.weights()[1] {
        [0, 1]
    } else {
        [1, 0]
    };
    for (j, &theirs_j) in order.iter().enumerate() {
        assert!((ours.weights[j] - theirs.weights()[theirs_j]).abs() < 1e-4);
        for a in 0..2 {
            assert!((ours.means[j * 2 + a] - theirs.means()[[theirs_j, a]]).abs() < 1e-3);
            for b in 0..2 {
                let found = ours.covariances[(j * 2 + a) * 2 + b];
                assert!((found - theirs.covariances()[[theirs_j, a, b]]).abs() < 1e-3);
            }
        }
    }
}

/// 400 customers around two centres, every tenth of them twice, and one far from all.
fn customers() -> Array2<f64> {
    let mut random = Random::new(3);
    let mut values = Vec::new();
    for i in 0..400 {
        let centre = if i % 3 == 0 { [4.0, -2.0, 1.0] } else { [0.0, 3.0, 0.0] };
        let row = centre.map(|mean| mean + random.normal());
        values.extend(row);
        if i % 10 == 0 {
            values.extend(row);
        }
    }
    values.extend([20.0, 20.0, 20.0]);
    Array2::from_shape_vec((values.len() / 3, 3), values).unwrap()
}

#[test]
fn outliers_have_the_core_distance_of_optics() {
    let rows = customers();
    let settings = Settings {
        neighbours: 6,
        standardise: false,
        ..Settings::default()
    };
    let found = outliers::find(rows.as_slice().unwrap(), 3, &settings).unwrap();
    // linfa counts the point itself.
    let params = Optics::params::<f64>(7).check().unwrap();
    let analysis = params.transform(rows.view());
    assert_eq!(analysis.as_slice().len(), rows.nrows());
    for sample in analysis.iter() {
        let ours = found.row(sample.index()).unwrap().distance;
        let theirs = sample.core_distance().unwrap();
        assert!(
            (ours - theirs).abs() < 1e-12,
            "row {}: {ours}, not {theirs}",
            sample.index()
        );
    }
}

#[test]
fn no_core_of_dbscan_is_further_than_its_radius() {
    let rows = customers();
    let settings = Settings {
        neighbours: 6,
        standardise: false,
        ..Settings::default()
    };
    let found = outliers::find(rows.as_slice().unwrap(), 3, &settings).unwrap();
    let radius = 1.2;
    let params = Dbscan::params::<f64>(7).tolerance(radius).check().unwrap();
    let clusters = params.transform(&rows);
    let mut n_outside = 0;
    for (row, cluster) in clusters.iter().enumerate() {
        let is_core = found.row(row).unwrap().distance <= radius;
        assert!(cluster.is_some() || !is_core, "row {row} is a core and in no cluster");
        n_outside += usize::from(cluster.is_none());
    }
    assert!(
        n_outside > 0 && n_outside < rows.nrows() / 4,
        "{n_outside} rows in no cluster"
    );
}
