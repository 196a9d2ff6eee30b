use super::*;
use crate::sequence::Token;

fn tokens(targets: &[u8]) -> Vec<Token> {
    targets.iter().map(|&target| target.into()).collect()
}

/// The report on a list of predictions, its tally taken in two parts of which one went through bytes.
fn score(probabilities: &[f32], targets: &[u8], n_actions: usize) -> Option<Report> {
    let mut parts = [Tally::new(n_actions), Tally::new(n_actions)];
    for (index, (row, &target)) in probabilities.chunks_exact(n_actions).zip(targets).enumerate() {
        parts[index % 2].add(row, target.into(), 1);
    }
    let [mut tally, other] = parts;
    let bytes = [other.to_bytes(), vec![7]].concat();
    assert!(Tally::from_bytes(&bytes[..bytes.len() - 2], n_actions).is_none());
    let (again, rest) = Tally::from_bytes(&bytes, n_actions).unwrap();
    assert_eq!((&again, rest), (&other, &[7][..]));
    tally.combine(&again);
    // Every target is a history.
    let lengths = vec![1; targets.len()];
    let areas: Vec<_> = (0..n_actions)
        .map(|action| clustered_area(probabilities, &tokens(targets), &lengths, n_actions, action))
        .collect();
    tally.report(&areas)
}

/// Recipe (scikit-learn 1.9.1):
/// ```python
/// import numpy as np; from sklearn.metrics import *
/// p = np.array([[.7,.2,.1],[.4,.5,.1],[.1,.2,.7],[.6,.3,.1],[.32,.28,.4],[.5,.4,.1]]); t = [0,1,2,1,0,0]
/// log_loss(t, p); accuracy_score(t, p.argmax(1)); balanced_accuracy_score(t, p.argmax(1))
/// f1_score(t, p.argmax(1), average=None); [roc_auc_score(np.array(t) == k, p[:, k]) for k in range(3)]
/// top_k_accuracy_score(t, p, k=2); confusion_matrix(t, p.argmax(1))
/// ```
#[test]
fn scores_agree_with_scikit_learn() {
    let probabilities = [
        0.7, 0.2, 0.1, 0.4, 0.5, 0.1, 0.1, 0.2, 0.7, 0.6, 0.3, 0.1, 0.32, 0.28, 0.4, 0.5, 0.4, 0.1,
    ];
    let report = score(&probabilities, &[0, 1, 2, 1, 0, 0], 3).unwrap();
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
    assert_eq!(report.confusion, [2, 0, 1, 1, 1, 0, 0, 0, 1]);
    close(report.log_loss, 0.7405086);
    close(report.accuracy, 4.0 / 6.0);
    close(report.balanced_accuracy, 0.7222222);
    close(report.actions[0].f1.unwrap(), 0.6666667);
    close(report.actions[1].f1.unwrap(), 0.6666667);
    close(report.actions[2].f1.unwrap(), 0.6666667);
    close(report.actions[0].auc.unwrap(), 0.6666667);
    close(report.actions[1].auc.unwrap(), 0.875);
    close(report.actions[2].auc.unwrap(), 1.0);
    close(report.top2_accuracy, 1.0);
    // By hand: [0.4, 0.5) holds one wrong 0.4; [0.5, 0.6) two right 0.5; [0.6, 0.7) a wrong 0.6 and
    // two right 0.7, whose nearest f32 is just below.
    close(
        report.calibration_error,
        ((0.4f64 - 0.0).abs() + (1.0f64 - 2.0).abs() + (2.0f64 - 2.0).abs()) / 6.0,
    );
}

#[test]
fn the_bins_of_an_action_hold_its_probabilities_and_how_often_it_came() {
    let report = score(&[0.75, 0.25, 0.25, 0.75, 0.75, 0.25], &[0, 1, 1], 2).unwrap();
    let bin = |n, confidence, accuracy| Bin {
        n,
        confidence,
        accuracy,
    };
    assert_eq!(report.action_reliability[0][7], bin(2, 0.75, 0.5));
    assert_eq!(report.action_reliability[0][2], bin(1, 0.25, 0.0));
    assert_eq!(report.action_reliability[1][2], bin(2, 0.25, 0.5));
    assert_eq!(report.action_reliability[1][7], bin(1, 0.75, 1.0));
    assert_eq!(
        report.action_reliability.iter().flatten().map(|bin| bin.n).sum::<u64>(),
        6
    );
}

#[test]
fn constant_predictions_have_an_auc_of_one_half() {
    let report = score(&[0.9f32, 0.1].repeat(4), &[0, 0, 1, 0], 2).unwrap();
    assert_eq!(report.actions[1].auc, Some(0.5));
    assert_eq!(report.actions[1].precision, None);
    assert_eq!(report.accuracy, 0.75);
}

#[test]
fn an_action_that_never_occurs_is_left_out_of_the_means() {
    let report = score(&[0.8, 0.1, 0.1, 0.2, 0.7, 0.1], &[0, 1], 3).unwrap();
    assert_eq!(
        (report.balanced_accuracy, report.macro_f1, report.auc),
        (1.0, 1.0, Some(1.0))
    );
    assert_eq!(report.actions[2].auc, None);
}

#[test]
fn a_probability_of_zero_costs_much_but_not_everything() {
    let report = score(&[0.0, 1.0], &[0], 2).unwrap();
    assert!((report.log_loss - 34.538_776).abs() < 1e-4);
    assert_eq!(score(&[], &[], 2), None);
}

#[test]
fn the_area_of_counts_is_that_of_the_list() {
    let rows = [0.7, 0.2, 0.1, 0.4, 0.5, 0.1, 0.7, 0.1, 0.2];
    let counts = [3, 1, 0, 2, 2, 1, 0, 4, 0];
    let (mut probabilities, mut targets, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, &n) in counts.iter().enumerate() {
        for _ in 0..n {
            probabilities.extend_from_slice(&rows[cell / 3 * 3..][..3]);
            targets.push(Token(cell as u32 % 3));
            places.push((cell / 3, Token(cell as u32 % 3)));
        }
    }
    let lengths = [3, 1, 5, 2, 2];
    for action in 0..3 {
        let expected = clustered_area(&probabilities, &targets, &lengths, 3, action).unwrap();
        assert_eq!(auc(&probabilities, &targets, 3, action), Some(expected.auc));
        let mut area = Counted::new(&rows, &counts, 3).area(action).unwrap();
        let mut rest = &places[..];
        for length in lengths {
            area.add(rest.split_off(..length).unwrap());
        }
        assert_eq!(area.area(1.0), expected);
    }
}

/// Recipe (Python 3, the sums of Obuchowski's page 571 over all pairs):
/// ```python
/// p = [.5, .2, .5, .7, .1, .5, .4]; y = [1, 0, 0, 1, 0, 1, 0]; h = [0, 0, 0, 1, 1, 2, 2]
/// X = [i for i in range(7) if y[i]]; Y = [i for i in range(7) if not y[i]]; m, n = len(X), len(Y)
/// v = {(i, j): (p[i] > p[j]) + .5 * (p[i] == p[j]) for i in X for j in Y}; t = sum(v.values()) / m / n
/// a = [sum(v[i, j] for i in X if h[i] == c for j in Y) / n - t * sum(h[i] == c for i in X) for c in range(3)]
/// b = [sum(v[i, j] for j in Y if h[j] == c for i in X) / m - t * sum(h[j] == c for j in Y) for c in range(3)]
/// s = lambda u, v: 3 / 2 * sum(x * y for x, y in zip(u, v))
/// t, (s(a, a) / m**2 + s(b, b) / n**2 + 2 * s(a, b) / m / n) ** .5
/// ```
#[test]
fn the_error_of_an_area_is_that_of_clusters() {
    let scores = [0.5f32, 0.2, 0.5, 0.7, 0.1, 0.5, 0.4];
    let probabilities: Vec<f32> = scores.iter().flat_map(|p| [1.0 - p, *p]).collect();
    let targets = [1, 0, 0, 1, 0, 1, 0].map(Token);
    let area = |lengths: &[usize]| clustered_area(&probabilities, &targets, lengths, 2, 1).unwrap();
    let found = area(&[3, 2, 2]);
    assert!((found.auc - 0.9166666666666666).abs() < 1e-12, "{found:?}");
    assert!(
        (found.standard_error.unwrap() - 0.09081039465709734).abs() < 1e-12,
        "{found:?}"
    );
    // One history says nothing about others.
    assert_eq!(area(&[7]).standard_error, None);
}

#[test]
fn the_points_of_a_curve_are_those_of_scikit_learn() {
    // roc_curve([1, 0, 1, 1, 0, 0, 1], [.9, .8, .8, .6, .5, .3, .3], drop_intermediate=False):
    // fpr [0, 0, 1/3, 1/3, 2/3, 1], tpr [0, .25, .5, .75, .75, 1], thresholds [inf, .9, .8, .6, .5, .3].
    let scores = [0.9, 0.8, 0.8, 0.6, 0.5, 0.3, 0.3f32];
    let targets = tokens(&[1, 0, 1, 1, 0, 0, 1]);
    let rows: Vec<f32> = scores.iter().flat_map(|&p| [1.0 - p, p]).collect();
    let expected = [
        (Some(0.3), 1.0, 1.0),
        (Some(0.5), 2.0 / 3.0, 0.75),
        (Some(0.6), 1.0 / 3.0, 0.75),
        (Some(0.8), 1.0 / 3.0, 0.5),
        (Some(0.9), 0.0, 0.25),
        (None, 0.0, 0.0),
    ];
    let area = clustered_area(&rows, &targets, &[7], 2, 1).unwrap();
    let found: Vec<_> = area
        .points
        .iter()
        .map(|point| (point.threshold, point.false_positive_rate, point.true_positive_rate))
        .collect();
    assert_eq!(found, expected);
    // The same targets, counted by what was predicted.
    let distributions: Vec<f32> = [0.3f32, 0.5, 0.6, 0.8, 0.9]
        .iter()
        .flat_map(|&p| [1.0 - p, p])
        .collect();
    let counts = [1, 1, 1, 0, 0, 1, 1, 1, 0, 1];
    let counted = Counted::new(&distributions, &counts, 2).area(1).unwrap().area(1.0);
    assert_eq!(counted.points, area.points);
    assert!(clustered_area(&rows, &tokens(&[1; 7]), &[7], 2, 1).is_none());
}

#[test]
fn a_long_curve_has_few_points_and_its_area() {
    let n = 5000;
    let rows: Vec<f32> = (0..n)
        .flat_map(|i| [1.0 - i as f32 / n as f32, i as f32 / n as f32])
        .collect();
    let targets: Vec<u8> = (0..n).map(|i: u64| u8::from(i * i * 7919 % 9001 < 2 * i)).collect();
    let area = clustered_area(&rows, &tokens(&targets), &[n as usize], 2, 1).unwrap();
    assert!((60..=82).contains(&area.points.len()), "{}", area.points.len());
    let trapezes = area.points.windows(2).map(|pair| {
        (pair[0].false_positive_rate - pair[1].false_positive_rate)
            * (pair[0].true_positive_rate + pair[1].true_positive_rate)
            / 2.0
    });
    assert!((trapezes.sum::<f64>() - area.auc).abs() < 2e-3);
}
