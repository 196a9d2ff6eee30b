//! Propensity: features against what paper gives, weights against scikit-learn's, and the laws that both must obey.

use footfall::propensity::history::{Event, Known, OwnValues, known};
use footfall::propensity::learn::{Learned, learn};
use footfall::propensity::logistic::{Table, probability};
use footfall::propensity::model::PropensityModel;
use footfall::propensity::newton::{EXACT, Newton};
use footfall::propensity::plan::{Feature, Horizon, Own, Plan};
use footfall::propensity::reasons::reasons;
use footfall::propensity::rows;
use footfall::random::Random;

const DAY: i64 = 86_400_000_000;
const HOUR: i64 = DAY / 24;

fn plan(own: Vec<Own>) -> Plan {
    Plan {
        actions: ["buy", "pv"].map(str::to_owned).into(),
        target: 0,
        windows: vec![1.0, 7.0],
        has_items: true,
        has_categories: true,
        has_amounts: true,
        own,
        horizon: Horizon {
            months: 0,
            days: 2,
            microseconds: 0,
        },
        lookback: 10 * DAY,
        cutoffs: vec![10 * DAY, 12 * DAY],
        learned_until: 14 * DAY,
        test_cutoff: 14 * DAY,
        known_until: 16 * DAY,
        holdout: 0.2,
        seed: 42,
    }
}

fn event(at: i64, action: usize, item: u64, amount: Option<f64>) -> Event {
    Event {
        at,
        action: Some(action),
        item: Some(item),
        category: Some(item / 2),
        amount,
    }
}

fn known_of(plan: &Plan, events: &[Event], own: &[OwnValues], cutoffs: &[i64], ends: &[i64]) -> Vec<Known> {
    known(plan, &plan.features(), events.to_vec(), own.to_vec(), cutoffs, ends)
}

fn value(plan: &Plan, known: &Known, feature: Feature) -> f64 {
    known.features[plan.place(feature)].into()
}

/// Day 3 of 1970 was a Sunday (1 January was a Thursday). At 1 o'clock there a view, at 1:30 another, at 13:00 a purchase; on
/// day 5 at 20:00 a view. The cut-off is day 6 at noon.
#[test]
fn features_are_those_on_paper() {
    let plan = plan(vec![]);
    let events = [
        event(5 * DAY + 20 * HOUR, 1, 8, None),
        event(3 * DAY + HOUR, 1, 6, None),
        event(3 * DAY + 13 * HOUR, 0, 6, Some(9.0)),
        event(3 * DAY + HOUR + HOUR / 2, 1, 7, None),
    ];
    let found = known_of(&plan, &events, &[], &[6 * DAY + 12 * HOUR], &[]);
    assert_eq!((found.len(), found[0].label), (1, None));
    let (buy, pv) = (0, 1);
    let expected = [
        (Feature::Count { action: pv, window: 0 }, 2f64.ln()),
        (Feature::Count { action: pv, window: 1 }, 4f64.ln()),
        (Feature::Count { action: buy, window: 0 }, 0.0),
        (Feature::Count { action: buy, window: 1 }, 2f64.ln()),
        (Feature::Total { action: pv }, 4f64.ln()),
        (Feature::Any { action: pv }, 1.0),
        (Feature::Any { action: buy }, 0.0),
        // Half as much every 7 days, the window in the middle; the purchase is 71 hours old.
        (
            Feature::Decayed { action: buy },
            (1.0 + 0.5f64.powf(71.0 / 24.0 / 7.0)).ln(),
        ),
        (Feature::Freshness { action: buy }, 1.0 / (1.0 + 71.0 / 24.0)),
        (Feature::Seen, 1.0 / (1.0 + 16.0 / 24.0)),
        (Feature::Known, (1.0 + 83.0 / 24.0f64).ln()),
        (Feature::ActiveDays, 3f64.ln()),
        (Feature::ActiveShare, 2.0 / (1.0 + 83.0 / 24.0)),
        // A break of exactly half an hour is within a session.
        (Feature::Sessions, 4f64.ln()),
        (Feature::Regularity, 0.0),
        (Feature::Hours { quarter: 0 }, 0.5),
        (Feature::Hours { quarter: 1 }, 0.0),
        (Feature::Hours { quarter: 2 }, 0.25),
        (Feature::Weekend, 0.75),
        (Feature::Items, 4f64.ln()),
        (Feature::Categories, 3f64.ln()),
        (Feature::Money, 10f64.ln()),
        (Feature::RecentMoney, 10f64.ln()),
    ];
    for (feature, on_paper) in expected {
        let found = value(&plan, &found[0], feature);
        assert!(
            (found - on_paper).abs() < 1e-6,
            "{feature:?}: {found} instead of {on_paper}"
        );
    }
}

/// Active on days 0, 2 and 6: gaps of 2 and 4 days, mean 3 and standard deviation 1.
#[test]
fn regularity_is_that_of_the_days_between_active_days() {
    let plan = plan(vec![]);
    let events = [0, 2, 6].map(|day| event(day * DAY, 1, 1, None));
    let found = known_of(&plan, &events, &[], &[7 * DAY], &[]);
    assert_eq!(value(&plan, &found[0], Feature::Regularity), 0.75);
}

#[test]
fn a_cut_off_parts_what_is_known_from_what_is_asked() {
    let plan = plan(vec![]);
    let (cut, end) = (10 * DAY, 12 * DAY);
    let label = |at| {
        known_of(
            &plan,
            &[event(9 * DAY, 1, 1, None), event(at, 0, 1, None)],
            &[],
            &[cut],
            &[end],
        )[0]
        .label
    };
    assert_eq!(
        [cut - 1, cut, end - 1, end].map(label),
        [false, true, true, false].map(Some)
    );
    // What happens afterwards is in no feature, and who comes later has no row.
    let before = [event(9 * DAY, 1, 1, None)];
    let after = [before[0], event(cut, 0, 2, Some(5.0)), event(end, 1, 3, None)];
    let features = |events: &[Event]| known_of(&plan, events, &[], &[cut], &[end])[0].features.clone();
    assert_eq!(features(&before), features(&after));
    assert!(known_of(&plan, &after[1..], &[], &[cut], &[end]).is_empty());
}

/// The same before each cut-off, wherever that lies: what came before the lookback counts for nothing.
#[test]
fn events_count_for_the_lookback() {
    let plan = plan(vec![]);
    let recent = [12, 13, 19].map(|day| event(day * DAY + HOUR, usize::from(day > 12), day as u64, Some(1.0)));
    let with_old: Vec<Event> = [3, 8]
        .map(|day| event(day * DAY, 0, 1, Some(7.0)))
        .into_iter()
        .chain(recent)
        .collect();
    let found = known_of(&plan, &with_old, &[], &[10 * DAY, 20 * DAY], &[]);
    assert_eq!(
        found[1].features,
        known_of(&plan, &recent, &[], &[20 * DAY], &[])[0].features
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn own_columns_are_the_last_that_say_something() {
    let levels = Some(["DE", "NL"].map(str::to_owned).into());
    let plan = plan(vec![
        Own {
            name: "age".into(),
            levels: None,
        },
        Own {
            name: "country".into(),
            levels,
        },
    ]);
    let events = [event(DAY, 1, 1, None)];
    let at = |at, age, country| OwnValues {
        at,
        values: vec![age, country],
    };
    let own = [
        at(2 * DAY, None, Some("NL")),
        at(DAY, Some("31"), Some("DE")),
        at(3 * DAY, Some("no number"), Some(" ")),
        at(5 * DAY, Some("99"), Some("DE")),
    ];
    let found = &known_of(&plan, &events, &own, &[5 * DAY], &[])[0];
    let value = |feature| value(&plan, found, feature);
    assert_eq!(value(Feature::OwnNumber { own: 0 }), 31.0);
    assert_eq!(
        [0, 1].map(|level| value(Feature::OwnLevel { own: 1, level })),
        [0.0, 1.0]
    );
    assert_eq!([0, 1].map(|own| value(Feature::Missing { own })), [0.0, 0.0]);
    let nothing = &known_of(&plan, &events, &[], &[5 * DAY], &[])[0];
    assert_eq!(
        [0, 1].map(|own| self::value(&plan, nothing, Feature::Missing { own })),
        [1.0, 1.0]
    );
}

/// scikit-learn 1.9.1, numpy 2.4:
/// ```text
/// i = np.arange(200)
/// X = np.stack([i*7%23, i*i%11, i*13%17/17.0, np.full(200, 3.0)], 1).astype(np.float32).astype(float)
/// y = (i*i*5 + i*3)%19 < 4 + (i*7%23)//3
/// Z = StandardScaler().fit_transform(X)
/// LogisticRegression(C=1/penalty, tol=1e-14, max_iter=100000, solver="newton-cholesky").fit(Z, y)
/// ```
const OF_SCIKIT_LEARN: [(f64, [f64; 5]); 2] = [
    (
        0.5,
        [
            0.4317788736411635,
            0.031556619627124305,
            0.09670393798248686,
            0.0,
            -0.8130295609837143,
        ],
    ),
    (
        200.0,
        [
            0.07546903999800252,
            0.007168892644612589,
            0.017124363978600256,
            0.0,
            -0.7779733345388963,
        ],
    ),
];

/// The rows of that table.
fn row(i: usize) -> ([f32; 4], bool) {
    let first = i * 7 % 23;
    let features = [
        first as f32,
        (i * i % 11) as f32,
        ((i * 13 % 17) as f64 / 17.0) as f32,
        3.0,
    ];
    (features, (i * i * 5 + i * 3) % 19 < 4 + first / 3)
}

#[test]
fn weights_are_those_of_scikit_learn() {
    let mut table = Table::new(4);
    for (features, label) in (0..200).map(row) {
        table.push(features.into_iter(), label);
    }
    let scaling = table.scaling(2);
    for (penalty, expected) in OF_SCIKIT_LEARN {
        let found = Newton::new(&table, &scaling, 0..200, 2).fit(penalty, EXACT);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} instead of {expected}");
        }
    }
}

/// Each row a thousand times and each feature three times, so that the Hessian is that of a sample: under three thousand times the
/// penalty each of the three has a third of the weight.
#[test]
fn many_rows_have_the_weights_of_few() {
    let mut table = Table::new(12);
    for (features, label) in (0..200_000).map(|i| row(i % 200)) {
        table.push([features; 3].into_iter().flatten(), label);
    }
    let scaling = table.scaling(2);
    let mut search = Newton::new(&table, &scaling, 0..table.len(), 2);
    for (penalty, expected) in OF_SCIKIT_LEARN {
        let found = search.fit(3000.0 * penalty, EXACT);
        let [weights @ .., intercept] = expected;
        let thirds = [weights.map(|weight| weight / 3.0); 3];
        for (found, expected) in found.iter().zip(thirds.as_flattened().iter().chain([&intercept])) {
            assert!((found - expected).abs() < 1e-8, "{found} instead of {expected}");
        }
    }
}

/// What no sample of the rows has, 163,840 of them in 40 blocks of which every second is taken: the gradient is zero all the same.
#[test]
fn a_sample_does_not_mislead() {
    let mut table = Table::new(8);
    let mut random = Random::new(5);
    let mut rows = Vec::new();
    for i in 0..40 * 4096 {
        let mut features: [f32; 8] = std::array::from_fn(|_| random.uniform() as f32);
        features[7] = f32::from(u8::from(i / 4096 % 2 == 1 && i % 50 == 0));
        let label = random.uniform()
            < if features[7] > 0.0 {
                0.9
            } else {
                0.05 + 0.1 * f64::from(features[0])
            };
        table.push(features.into_iter(), label);
        rows.push((features, label));
    }
    let (scaling, penalty) = (table.scaling(2), 0.01);
    let found = Newton::new(&table, &scaling, 0..rows.len(), 2).fit(penalty, EXACT);
    let mut gradient: Vec<f64> = found.iter().map(|weight| penalty * weight).collect();
    gradient[8] = 0.0;
    for (features, label) in rows {
        let scaled: Vec<f64> = (0..8).map(|place| scaling.scaled(place, features[place])).collect();
        let score = found[8] + scaled.iter().zip(&found).map(|(a, b)| a * b).sum::<f64>();
        let slope = probability(score) - f64::from(u8::from(label));
        let values = scaled.into_iter().chain([1.0]);
        gradient
            .iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += slope * value);
    }
    assert!(gradient.iter().all(|sum| sum.abs() < 1e-4), "{gradient:?}");
}

/// Of rows that begin and end within a group of eight.
#[test]
fn some_rows_alone_are_a_table_of_their_own() {
    let [mut all, mut some] = [Table::new(4), Table::new(4)];
    for i in 0..200 {
        let (features, label) = row(i);
        all.push(features.into_iter(), label);
        if (13..178).contains(&i) {
            some.push(features.into_iter(), label);
        }
    }
    let scaling = all.scaling(1);
    let within = Newton::new(&all, &scaling, 13..178, 1).fit(0.5, EXACT);
    let alone = Newton::new(&some, &scaling, 0..165, 1).fit(0.5, EXACT);
    let differences = within.iter().zip(&alone).map(|(a, b)| (a - b).abs());
    assert!(differences.fold(0.0, f64::max) < 1e-12, "{within:?} and {alone:?}");
}

/// A label that a feature tells: without the penalty the weight would be infinite.
#[test]
fn what_can_be_parted_has_a_finite_weight() {
    let mut table = Table::new(1);
    (0..100).for_each(|i| table.push([i as f32].into_iter(), i >= 50));
    let scaling = table.scaling(1);
    let found = Newton::new(&table, &scaling, 0..100, 1).fit(1e-5, EXACT);
    assert!(
        found.iter().all(|weight| weight.is_finite()) && found[0] > 10.0,
        "{found:?}"
    );
}

/// Users of whom those with many views buy more often.
fn users(plan: &Plan, n: u64) -> Vec<Vec<u8>> {
    let features = plan.features();
    let user = |user: u64| {
        let mut random = Random::new(user);
        let n_views = (random.uniform() * 9.0) as i64;
        let mut events: Vec<Event> = (0..=n_views)
            .map(|view| event((view + 1) * DAY, 1, view as u64, None))
            .collect();
        for cut in &plan.cutoffs {
            if random.uniform() < 0.1 + 0.08 * n_views as f64 {
                events.push(event(cut + HOUR, 0, 1, Some(5.0)));
            }
        }
        let ends: Vec<i64> = plan.cutoffs.iter().map(|cut| cut + 2 * DAY).collect();
        let known = known(plan, &features, events, vec![], &plan.cutoffs, &ends);
        rows::write(plan, user.to_string().as_bytes(), &known)
    };
    (0..n).map(user).collect()
}

fn learned(plan: &Plan, users: &[Vec<u8>], threads: usize) -> Learned {
    learn(plan, &users.concat(), threads).unwrap()
}

#[test]
fn neither_order_nor_threads_change_a_byte() {
    let plan = plan(vec![]);
    let mut users = users(&plan, 6000);
    let model = |learned: Learned| learned.model.unwrap().to_bytes();
    let first = model(learned(&plan, &users, 1));
    assert_eq!(model(learned(&plan, &users, 3)), first);
    users.sort();
    assert_eq!(model(learned(&plan, &users, 2)), first);
    users.reverse();
    assert_eq!(model(learned(&plan, &users, 2)), first);
}

/// The users of the test are never learned from: their labels may be what they like.
#[test]
fn the_test_has_users_of_its_own() {
    let plan = plan(vec![]);
    let users = users(&plan, 500);
    let n_features = plan.features().len();
    let size = rows::record_size(n_features);
    let changed: Vec<Vec<u8>> = users
        .iter()
        .map(|user| {
            let mut user = user.clone();
            for record in user.chunks_exact_mut(size).filter(|record| record[11] == 2) {
                record[10] ^= 1;
            }
            user
        })
        .collect();
    assert_ne!(users, changed);
    assert_eq!(learned(&plan, &users, 1), learned(&plan, &changed, 1));
}

#[test]
fn without_both_labels_there_is_no_model() {
    let plan = plan(vec![]);
    let nobody = learned(&plan, &[], 1);
    assert_eq!((nobody.n_rows, nobody.model), (0, None));
    let events = vec![event(DAY, 1, 1, None)];
    let known = known(&plan, &plan.features(), events, vec![], &plan.cutoffs, &[0, 0]);
    let rows = ["a", "b", "c", "d", "e"].map(|key| rows::write(&plan, key.as_bytes(), &known));
    let same = learned(&plan, &rows, 1);
    assert!(same.n_rows > 0 && same.n_positive == 0 && same.model.is_none());
}

/// Whatever bytes come: a value or an error, and what is a model can be asked.
#[test]
fn damaged_bytes_are_refused_or_harmless() {
    let plan = plan(vec![]);
    let users = users(&plan, 300);
    let model = learned(&plan, &users, 1).model.unwrap();
    let bytes = model.to_bytes();
    assert_eq!(PropensityModel::from_bytes(&bytes).unwrap(), model);
    let features = vec![0.5; plan.features().len()];
    let mut random = Random::new(7);
    let mut place = |n: usize| (random.uniform() * n as f64) as usize;
    for _ in 0..3000 {
        let mut damaged = bytes.clone();
        match place(3) {
            0 => damaged.truncate(place(bytes.len())),
            1 => damaged[place(bytes.len())] = place(256) as u8,
            _ => {
                let (from, to) = (place(bytes.len()), place(bytes.len()));
                damaged[from] = b"0123456789-.e,:{}[]\""[place(20)];
                damaged[to] = b"0123456789-.e,:{}[]\""[place(20)];
            }
        }
        if let Ok(model) = PropensityModel::from_bytes(&damaged)
            && model.plan.features().len() == features.len()
        {
            assert!((0.0..=1.0).contains(&model.probabilities(&features).model));
            reasons(&model, &features, 9);
        }
        let mut packed = users.concat();
        let at = place(packed.len());
        packed[at] = place(256) as u8;
        packed.truncate(packed.len() - place(2));
        let _ = learn(&plan, &packed[..packed.len().min(20_000)], 1);
    }
}
