//! Purchases and their value against published and recorded answers, and the laws they must obey.

use footfall::random::Random;
use footfall::value::customers::{Customer, Customers};
use footfall::value::fit::{Choice, PurchasesFit, fit};
use footfall::value::forecast::Outlook;
use footfall::value::gamma_gamma::{self, GammaGamma, Values};
use footfall::value::likelihood::Likelihood;
use footfall::value::model::ClvModel;
use footfall::value::purchases::{Family, Purchases};
use proptest::prelude::*;

fn customer(x: f64, t_x: f64, age: f64) -> Customer {
    Customer::new("customers", x, t_x, age).unwrap()
}

/// Customers drawn from BG/NBD with r, alpha, a, b, each known for up to `longest`.
fn drawn(random: &mut Random, n: usize, [r, alpha, a, b]: [f64; 4], longest: f64) -> Vec<(Customer, u64)> {
    (0..n).map(|_| (draw(random, [r, alpha, a, b], longest).0, 1)).collect()
}

/// A customer, his rate, his dropout, and whether he is alive.
fn draw(random: &mut Random, [r, alpha, a, b]: [f64; 4], longest: f64) -> (Customer, f64, f64, bool) {
    let rate = gamma(random, r) / alpha;
    let (first, second) = (gamma(random, a), gamma(random, b));
    let dropout = first / (first + second);
    let age = (longest * (0.3 + 0.7 * random.uniform())).floor();
    let (x, t_x, alive) = buy(random, rate, dropout, 0.0, age);
    (customer(x, t_x, age), rate, dropout, alive)
}

/// Purchases from `from` until `until`, the time of the last (0 without), and whether more would come.
fn buy(random: &mut Random, rate: f64, dropout: f64, from: f64, until: f64) -> (f64, f64, bool) {
    let (mut x, mut last, mut time) = (0.0, 0.0, from);
    loop {
        time -= (1.0 - random.uniform()).ln() / rate;
        if time > until {
            return (x, last, true);
        }
        (x, last) = (x + 1.0, time);
        if random.uniform() < dropout {
            return (x, last, false);
        }
    }
}

/// Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26, 2000.
fn gamma(random: &mut Random, shape: f64) -> f64 {
    if shape < 1.0 {
        return gamma(random, shape + 1.0) * (1.0 - random.uniform()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let z = random.normal();
        let v = (1.0 + z / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - random.uniform()).ln() < 0.5 * z * z + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

fn parameters(fit: &PurchasesFit) -> [f64; 4] {
    let found = &fit.purchases;
    [found.r(), found.alpha(), found.a(), found.b()]
}

fn bits(purchases: &Purchases) -> [u64; 4] {
    [
        purchases.rate,
        purchases.rate_dispersion,
        purchases.dropout,
        purchases.dropout_dispersion,
    ]
    .map(f64::to_bits)
}

fn bgnbd(r: f64, alpha: f64, a: f64, b: f64) -> Purchases {
    Purchases {
        family: Family::BgNbd,
        rate: r / alpha,
        rate_dispersion: 1.0 / r,
        dropout: a / (a + b),
        dropout_dispersion: 1.0 / (a + b + 1.0),
    }
}

const CDNOW: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

#[test]
fn the_parameters_that_customers_were_drawn_with_are_found() {
    let customers = Customers::new(drawn(&mut Random::new(1), 20_000, CDNOW, 60.0));
    let fit = fit(&customers, Choice::Auto).unwrap();
    assert!(fit.converged && fit.purchases.boundaries().is_empty());
    for ((found, error), expected) in parameters(&fit).into_iter().zip(fit.errors).zip(CDNOW) {
        assert!(
            (found - expected).abs() < 4.0 * error && error < 0.3 * expected,
            "{found} ± {error}, {expected}"
        );
    }
}

/// CDNOW's customers as they ship with the PyPI package lifetimes 0.11.3 (MIT):
///   d = lifetimes.datasets.load_cdnow_summary(); m = load_cdnow_summary_data_with_monetary_value()
///   d.join(m.monetary_value, on='ID')[['frequency', 'recency', 'T', 'monetary_value']].sort_values(...)
fn cdnow() -> Vec<[f64; 4]> {
    let lines = include_str!("recorded/cdnow.csv").lines().skip(1);
    let number = |text: &str| text.parse().unwrap();
    lines
        .map(|line| line.split(',').map(number).collect::<Vec<f64>>().try_into().unwrap())
        .collect()
}

fn rounded(value: f64, digits: i32) -> f64 {
    (value * 10f64.powi(digits)).round() / 10f64.powi(digits)
}

/// The published answers: Fader, Hardie and Lee (2005), table 2; Fader and Hardie (2013), section 4.
#[test]
fn cdnow_gives_the_published_parameters() {
    let customers = cdnow()
        .iter()
        .map(|&[x, t_x, age, _]| (customer(x, t_x, age), 1))
        .collect();
    let fit = fit(&Customers::new(customers), Choice::Auto).unwrap();
    assert_eq!(
        parameters(&fit).map(|value| rounded(value, 3)),
        [0.243, 4.414, 0.793, 2.426]
    );
    assert_eq!(rounded(fit.log_likelihood, 1), -9582.4);
    // lifetimes 0.11.3: BetaGeoFitter(0).fit(d.frequency, d.recency, d['T']).standard_errors_
    assert_eq!(fit.errors.map(|error| rounded(error, 2)), [0.01, 0.38, 0.19, 0.71]);
    let values = Values::new(cdnow().iter().map(|&[x, _, _, value]| (x, value, 1)));
    let fit = gamma_gamma::fit(&values).unwrap();
    let GammaGamma { p, q, v } = fit.values;
    assert_eq!((rounded(p, 2), rounded(q, 2), rounded(v, 2)), (6.25, 3.74, 15.45));
    assert!(fit.converged && fit.errors.iter().all(|error| *error > 0.0));
}

/// How often what came to pass lies within the intervals that were forecast from fitted parameters.
#[test]
fn intervals_hold_what_they_promise() {
    let mut random = Random::new(5);
    let people: Vec<_> = (0..4000).map(|_| draw(&mut random, CDNOW, 60.0)).collect();
    let customers = Customers::new(people.iter().map(|(customer, ..)| (*customer, 1)).collect());
    let fit = fit(&customers, Choice::Auto).unwrap();
    let values = GammaGamma {
        p: 6.25,
        q: 3.74,
        v: 15.45,
    };
    let (mut held, mut above, mut held_value, mut total, mut expected) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (customer, rate, dropout, alive) in &people {
        let outlook = Outlook::new(&fit.purchases, customer, 39.0).unwrap();
        let n = match alive {
            true => buy(&mut random, *rate, *dropout, 0.0, 39.0).0,
            false => 0.0,
        };
        let own = gamma(&mut random, values.q) / values.v;
        let mut spent = |n: f64| (0..n as usize).map(|_| gamma(&mut random, values.p) / own).sum::<f64>();
        let (before, after) = (spent(customer.x), spent(n));
        let [low, high] = [0.05, 0.95].map(|end| outlook.purchases(end) as f64);
        held += f64::from(u8::from((low..=high).contains(&n)));
        above += f64::from(u8::from(n > high));
        let [low, high] = [0.05, 0.95].map(|end| (values.v + before) * outlook.value(&values, customer.x, end));
        held_value += f64::from(u8::from((low..=high).contains(&after)));
        total += n;
        expected += outlook.expected;
    }
    let share = |count: f64| count / people.len() as f64;
    // Nine in ten, or more where the number has few values, and those who exceed it at most one in twenty; five standard errors.
    assert!(
        share(held) > 0.9 - 5.0 * 0.0048 && share(above) < 0.05 + 5.0 * 0.0035,
        "{} {}",
        share(held),
        share(above)
    );
    assert!(share(held_value) > 0.9 - 5.0 * 0.0048, "{}", share(held_value));
    assert!((expected / total - 1.0).abs() < 0.1, "{expected} and {total}");
}

#[test]
fn nobody_stops_where_nobody_did() {
    let mut random = Random::new(2);
    let customers = (0..5000).map(|_| {
        let rate = gamma(&mut random, 0.9) / 70.0;
        let (x, _, _) = buy(&mut random, rate, 0.0, 0.0, 300.0);
        // Seen to be alive at the end, so that nothing speaks for anybody having stopped.
        (customer(x, if x > 0.0 { 300.0 } else { 0.0 }, 300.0), 1)
    });
    let customers = Customers::new(customers.collect());
    let fit = fit(&customers, Choice::Auto).unwrap();
    assert_eq!(fit.purchases.boundaries(), ["nobody stops"]);
    assert!(fit.converged && fit.errors[0] > 0.0 && fit.errors[1] > 0.0 && fit.errors[2].is_nan());
    assert!((fit.purchases.r() - 0.9).abs() < 4.0 * fit.errors[0]);
    let outlook = Outlook::new(&fit.purchases, &customer(3.0, 40.0, 300.0), 100.0).unwrap();
    let expected = (fit.purchases.r() + 3.0) / (fit.purchases.alpha() + 300.0) * 100.0;
    assert!(outlook.alive == 1.0 && (outlook.expected / expected - 1.0).abs() < 1e-9);
}

#[test]
fn extreme_populations_have_an_answer() {
    let fit = |customers: &[(f64, f64, f64)]| {
        let customers = customers
            .iter()
            .map(|&(x, t_x, age)| (customer(x, t_x, age), 1))
            .collect();
        fit(&Customers::new(customers), Choice::Auto)
    };
    assert!(fit(&[]).is_none());
    let once = fit(&[(0.0, 0.0, 10.0), (0.0, 0.0, 0.0)]).unwrap();
    assert_eq!(
        (once.purchases.rate, once.purchases.boundaries()),
        (0.0, vec!["nobody bought again"])
    );
    for customers in [
        &[(3.0, 10.0, 12.0)][..],
        &[(1.0, 1.0, 1.0)],
        &[(1.0, 0.0, 0.0)],
        &[(1000.0, 900.0, 1000.0)],
        &[(1.0, 1e-9, 1e9), (5.0, 1e9, 1e9)],
        &[(1.0, 5.0, 100.0), (1.0, 50.0, 100.0), (0.0, 0.0, 100.0)],
        &[(36_525.0, 10.0, 10.0), (0.0, 0.0, 10.0)],
    ] {
        let found = fit(customers).unwrap();
        assert!(
            found.log_likelihood.is_finite() && found.purchases.check().is_ok(),
            "{customers:?}: {found:?}"
        );
        for &(x, t_x, age) in customers {
            let Ok(outlook) = Outlook::new(&found.purchases, &customer(x, t_x, age), 10.0) else {
                // All that was seen happened within a moment: the rate has no end.
                assert!(found.purchases.rate > 1e9);
                continue;
            };
            assert!(outlook.expected >= 0.0 && outlook.expected.is_finite() && (0.0..=1.0).contains(&outlook.alive));
        }
    }
}

/// r, alpha, a, b; x, t_x, age, time; the probability to be alive and the expected purchases, from mpmath 1.3.0 with 40
/// digits by equations (10) of Fader, Hardie and Lee (2005) and brucehardie.com/notes/021, where
/// h = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + T + t)):
///   den = 1 + (a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x) if x > 0 else 0); alive = 1 / den
///   expected = (a + b + x - 1) / (a - 1) * (1 - ((alpha + T) / (alpha + T + t)) ** (r + x) * h) / den
#[rustfmt::skip]
const EXPECTED: &[([f64; 4], [f64; 4], f64, f64)] = &[
        ([0.243, 4.414, 0.793, 2.426], [0.0, 0.0, 38.86, 39.0], 1.0, 0.19509805201126265),
        ([0.243, 4.414, 0.793, 2.426], [2.0, 30.43, 38.86, 39.0], 0.726578570080673, 1.2260281747671444),
        ([0.243, 4.414, 0.793, 2.426], [26.0, 30.86, 31.0, 39.0], 0.9689156497175251, 20.74972614085729),
        ([0.243, 4.414, 0.793, 2.426], [1.0, 1.71, 38.86, 0.001], 0.2121009853773791, 6.092347381445926e-06),
        ([0.243, 4.414, 0.793, 2.426], [5.0, 2.0, 3.0, 1000.0], 0.7912772769465872, 43.52990524772304),
        ([0.243, 4.414, 0.793, 2.426], [0.0, 0.0, 0.0, 39.0], 1.0, 1.196723193320817),
        ([1.7, 30.0, 0.999999, 0.4], [0.0, 0.0, 38.86, 39.0], 1.0, 0.6298540885072519),
        ([1.7, 30.0, 0.999999, 0.4], [2.0, 30.43, 38.86, 39.0], 0.46338839969408424, 0.7132756240053691),
        ([1.7, 30.0, 0.999999, 0.4], [26.0, 30.86, 31.0, 39.0], 0.9597322461100465, 13.009493778458797),
        ([1.7, 30.0, 0.999999, 0.4], [1.0, 1.71, 38.86, 0.001], 0.04697673533286787, 1.8419367641072296e-06),
        ([1.7, 30.0, 0.999999, 0.4], [5.0, 2.0, 3.0, 1000.0], 0.7816717835726741, 15.495806164637761),
        ([1.7, 30.0, 0.999999, 0.4], [0.0, 0.0, 0.0, 39.0], 1.0, 1.0170869785951357),
        ([0.9, 70.0, 12.0, 160.0], [0.0, 0.0, 38.86, 39.0], 1.0, 0.31497011987717255),
        ([0.9, 70.0, 12.0, 160.0], [2.0, 30.43, 38.86, 39.0], 0.9139425664803679, 0.9056997912465831),
        ([0.9, 70.0, 12.0, 160.0], [26.0, 30.86, 31.0, 39.0], 0.9369165745707212, 7.194693459591201),
        ([0.9, 70.0, 12.0, 160.0], [1.0, 1.71, 38.86, 0.001], 0.8578011057399634, 1.4971712245824813e-05),
        ([0.9, 70.0, 12.0, 160.0], [5.0, 2.0, 3.0, 1000.0], 0.9264625741009506, 14.279642059360146),
        ([0.9, 70.0, 12.0, 160.0], [0.0, 0.0, 0.0, 39.0], 1.0, 0.483630435098784),
        ([40.0, 90.0, 1.5, 3.0], [0.0, 0.0, 38.86, 39.0], 1.0, 3.89569841169962),
        ([40.0, 90.0, 1.5, 3.0], [2.0, 30.43, 38.86, 39.0], 0.1346096708375175, 0.6915148003261605),
        ([40.0, 90.0, 1.5, 3.0], [26.0, 30.86, 31.0, 39.0], 0.945335818716268, 13.312846247916559),
        ([40.0, 90.0, 1.5, 3.0], [1.0, 1.71, 38.86, 0.001], 1.7590186965511182e-06, 5.596504833331674e-10),
        ([40.0, 90.0, 1.5, 3.0], [5.0, 2.0, 3.0, 1000.0], 0.7415334173455912, 11.008738415395612),
        ([40.0, 90.0, 1.5, 3.0], [0.0, 0.0, 0.0, 39.0], 1.0, 4.340863048416184),
        ([3.0, 0.5, 0.02, 0.01], [0.0, 0.0, 38.86, 39.0], 1.0, 1.5585549417998885),
        ([3.0, 0.5, 0.02, 0.01], [2.0, 30.43, 38.86, 39.0], 0.9380139760257826, 4.565638404935425),
        ([3.0, 0.5, 0.02, 0.01], [26.0, 30.86, 31.0, 39.0], 0.999090878786871, 35.50966056096897),
        ([3.0, 0.5, 0.02, 0.01], [1.0, 1.71, 38.86, 0.001], 4.969544476250085e-06, 5.050343848923718e-10),
        ([3.0, 0.5, 0.02, 0.01], [5.0, 2.0, 3.0, 1000.0], 0.9314408845984373, 1915.3579763330001),
        ([3.0, 0.5, 0.02, 0.01], [0.0, 0.0, 0.0, 39.0], 1.0, 71.06941753882893),
];

#[test]
fn expected_purchases_agree_with_the_hypergeometric_function() {
    for &([r, alpha, a, b], [x, t_x, age, time], alive, expected) in EXPECTED {
        let outlook = Outlook::new(&bgnbd(r, alpha, a, b), &customer(x, t_x, age), time).unwrap();
        assert!((outlook.alive - alive).abs() < 1e-12, "{} and {alive}", outlook.alive);
        assert!(
            (outlook.expected / expected - 1.0).abs() < 1e-9,
            "{} and {expected}",
            outlook.expected
        );
    }
}

fn finite_differences<const N: usize>(
    evaluate: impl Fn(&[f64; N]) -> (f64, [f64; N], [[f64; N]; N]),
    at: [f64; N],
) -> Result<(), TestCaseError> {
    let (_, gradient, hessian) = evaluate(&at);
    for i in 0..N {
        let step = 1e-5 * at[i].abs().max(0.1);
        let moved = |by: f64| {
            let mut place = at;
            place[i] += by;
            evaluate(&place)
        };
        let (above, below) = (moved(step), moved(-step));
        let slope = (above.0 - below.0) / (2.0 * step);
        let scale = gradient[i].abs().max(hessian[i][i].abs() * at[i].abs()).max(1.0);
        prop_assert!(
            (slope - gradient[i]).abs() < 1e-5 * scale,
            "slope {i}: {slope} and {}",
            gradient[i]
        );
        for j in 0..N {
            let bend = (above.1[j] - below.1[j]) / (2.0 * step);
            let scale = hessian.iter().flatten().fold(1.0_f64, |most, one| most.max(one.abs()));
            prop_assert!(
                (bend - hessian[i][j]).abs() < 1e-5 * scale,
                "bend {i} {j}: {bend} and {}",
                hessian[i][j]
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn derivatives_of_the_likelihood(
        seed in 0u64..1000, ln_rate in -4.0..0.5f64, k in 0.0002..6.0f64, dropout in 0.02..0.95f64,
        dispersion in 0.01..0.95f64, modified in any::<bool>(),
    ) {
        let customers = Customers::new(drawn(&mut Random::new(seed), 40, CDNOW, 40.0));
        let family = if modified { Family::MbgNbd } else { Family::BgNbd };
        let likelihood = Likelihood::new(family, &customers);
        finite_differences(
            |at| {
                let found = likelihood.evaluate(at);
                (found.value, found.gradient, found.hessian)
            },
            [ln_rate, k, dropout, dispersion],
        )?;
    }

    #[test]
    fn derivatives_of_the_likelihood_of_values(seed in 0u64..1000, p in -1.0..4.0f64, q in -1.0..4.0f64, typical in -1.0..5.0f64) {
        let mut random = Random::new(seed);
        let values = Values::new((0..40).map(|_| (1.0 + random.below(9) as f64, 1.0 + 50.0 * random.uniform(), 1)));
        finite_differences(
            |at| {
                let found = values.evaluate(at);
                (found.value, found.gradient, found.hessian)
            },
            [p, q, typical],
        )?;
    }

    #[test]
    fn merged_and_shuffled_customers_give_the_same_bytes(seed in 0u64..1000) {
        let mut random = Random::new(seed);
        let mut distinct = drawn(&mut random, 60, CDNOW, 30.0);
        distinct.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
        distinct.dedup();
        let mut repeated: Vec<_> = (0..200).map(|_| distinct[random.below(distinct.len() as u64) as usize]).collect();
        let one = fit(&Customers::new(repeated.clone()), Choice::Auto).unwrap();
        random.shuffle(&mut repeated);
        let counts = distinct.iter().map(|(one, _)| (*one, repeated.iter().filter(|(other, _)| other == one).count() as u64));
        let merged = fit(&Customers::new(counts.collect()), Choice::Auto).unwrap();
        let shuffled = fit(&Customers::new(repeated), Choice::Auto).unwrap();
        prop_assert_eq!(bits(&one.purchases), bits(&merged.purchases));
        prop_assert_eq!(bits(&one.purchases), bits(&shuffled.purchases));
        prop_assert_eq!(one.log_likelihood.to_bits(), merged.log_likelihood.to_bits());
    }

    #[test]
    fn another_unit_of_time_changes_nothing_but_the_rate(seed in 0u64..1000, unit in 0.01..100.0f64) {
        let customers = drawn(&mut Random::new(seed), 2000, CDNOW, 40.0);
        let scaled = customers.iter().map(|(one, n)| (customer(one.x, one.t_x * unit, one.age * unit), *n)).collect();
        let before = fit(&Customers::new(customers), Choice::Auto).unwrap();
        let after = fit(&Customers::new(scaled), Choice::Auto).unwrap();
        prop_assert!(before.converged && after.converged);
        prop_assert_eq!(before.purchases.boundaries(), after.purchases.boundaries());
        let near = |a: f64, b: f64| (a - b).abs() < 1e-5 * b.abs().max(1e-3);
        prop_assert!(near(after.purchases.rate * unit, before.purchases.rate));
        prop_assert!(near(after.purchases.rate_dispersion, before.purchases.rate_dispersion));
        prop_assert!(near(after.purchases.dropout, before.purchases.dropout));
        prop_assert!(near(after.purchases.dropout_dispersion, before.purchases.dropout_dispersion));
    }

    #[test]
    fn a_model_survives_its_bytes_and_damaged_ones_are_refused(
        r in 0.01..9.0f64, alpha in 0.01..99.0f64, place in 0usize..300, byte in any::<u8>(),
    ) {
        let values = Some(GammaGamma { p: 6.25, q: 3.74, v: 15.45 });
        let model = ClvModel::new(bgnbd(r, alpha, 0.793, 2.426), values, 7.0, 10_134);
        let mut bytes = model.to_bytes();
        prop_assert_eq!(&ClvModel::from_bytes(&bytes).unwrap(), &model);
        let place = place % bytes.len();
        bytes[place] = byte;
        // A changed digit is another model, which is checked all the same.
        if let Ok(read) = ClvModel::from_bytes(&bytes) {
            prop_assert!(read.purchases.check().is_ok());
        }
        prop_assert!(ClvModel::from_bytes(&bytes[..place]).is_err());
    }
}

#[test]
fn a_time_beyond_counting_is_refused() {
    let shop = bgnbd(4.0, 1.0, 0.5, 1000.0);
    let busy = customer(300.0, 100.0, 100.0);
    for time in [-1.0, f64::NAN, f64::INFINITY, 1e10, 1e6] {
        let error = Outlook::new(&shop, &busy, time).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("argument 'horizon' is {time}; allowed: ")),
            "{error}"
        );
    }
    assert!(Outlook::new(&shop, &busy, 1e4).is_ok());
}

/// Hundreds of purchases share the counts that are told apart; what is spent is drawn from the model itself.
#[test]
fn intervals_of_many_purchases_agree_with_the_model() {
    let mut random = Random::new(11);
    // Nobody stops: the number of purchases is negative binomial with shape 5 and a mean of 1000.
    let purchases = Purchases {
        dropout: 0.0,
        ..bgnbd(4.0, 1.0, 1.0, 1.0)
    };
    let outlook = Outlook::new(&purchases, &customer(1.0, 4.0, 4.0), 1000.0).unwrap();
    assert!((outlook.expected - 1000.0).abs() < 1e-6);
    let values = GammaGamma { p: 2.0, q: 8.0, v: 1.0 };
    let mut spent: Vec<f64> = (0..20_000)
        .map(|_| {
            let rate = gamma(&mut random, 5.0) / 5.0;
            let n = buy(&mut random, rate, 0.0, 0.0, 1000.0).0;
            let own = gamma(&mut random, values.q);
            gamma(&mut random, values.p * n) / own
        })
        .collect();
    spent.sort_by(f64::total_cmp);
    for probability in [0.05, 0.5, 0.95] {
        let end = outlook.value(&values, 0.0, probability);
        let below = spent.partition_point(|&sum| sum < end) as f64 / spent.len() as f64;
        let error = (probability * (1.0 - probability) / spent.len() as f64).sqrt();
        assert!((below - probability).abs() < 4.0 * error, "{below} and {probability}");
    }
}
