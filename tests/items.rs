//! Methods that count, beside the same said with a score for every item of the catalogue.

use footfall::items::{
    Asked, Evaluation, Event, Given, Histories, History, Id, Ids, ItemModel, Mixture, NetworkSettings, Predictor,
    Question, RULE_BYTES, Room, Rule, RuleSettings, Settings, Targets, Texts, Trained, Wanted, evaluate, item_rules,
    train,
};
use footfall::random::Random;
use std::collections::{BTreeMap, BTreeSet};

const IS_RECENT: u32 = 1 << 31;
const BEGINS_MOMENT: u32 = 1 << 30;

fn history(items: &[u32], n_train: usize, random: &mut Random) -> History {
    let events = items.iter().enumerate().map(|(place, &item)| {
        let is_recent = place < n_train && place + 2 >= n_train;
        let begins = place == 0 || random.uniform() < 0.6;
        Event::from_word(item | (u32::from(is_recent) * IS_RECENT) | (u32::from(begins) * BEGINS_MOMENT))
    });
    History {
        events: events.collect(),
        n_train,
        n_fit: n_train.saturating_sub(2),
    }
}

/// Users who return to what they had, and items of which few are popular; the last ones occur in no training.
fn shop(n_users: usize, n_items: u32, seed: u64) -> Vec<History> {
    let mut random = Random::new(seed);
    let user = |_| {
        let n = 2 + (random.uniform() * 70.0) as usize;
        let n_train = (n as f64 * random.uniform()) as usize;
        let mut items: Vec<u32> = Vec::new();
        for place in 0..n {
            let known = (f64::from(n_items) * random.uniform().powi(3)) as u32;
            let item = match random.uniform() {
                x if x < 0.3 && place > 0 => items[(random.uniform() * place as f64) as usize],
                x if x < 0.35 && place >= n_train => n_items - 1,
                _ => known.min(n_items - 2),
            };
            items.push(item);
        }
        history(&items, n_train, &mut random)
    };
    (0..n_users).map(user).collect()
}

fn settings(targets: Targets, exclude_seen: bool, threads: usize) -> Settings {
    let asked = Asked {
        k: 5,
        exclude_seen,
        window: 4,
    };
    Settings {
        asked,
        targets,
        threads,
        against: Some(Predictor::Rules),
    }
}

fn items(events: &[Event]) -> Vec<usize> {
    events.iter().map(|event| event.item()).collect()
}

/// Scores of all items, 0 for those that nothing is known of.
fn scores(predictor: Predictor, train: &[Vec<usize>], recent: &[f64], before: &[usize], n_items: usize) -> Vec<f64> {
    let count = |item| train.iter().flatten().filter(|&&one| one == item).count() as f64;
    let counts: Vec<f64> = (0..n_items).map(count).collect();
    let n: f64 = counts.iter().sum();
    let mut scores: Vec<f64> = counts.iter().map(|count| count / n).collect();
    let window = match predictor {
        Predictor::Markov1 => 1,
        Predictor::Rules => 4,
        Predictor::Repeat => {
            before
                .iter()
                .enumerate()
                .for_each(|(place, &item)| scores[item] = 2.0 + place as f64);
            return scores;
        }
        Predictor::PopularRecent => {
            return recent
                .iter()
                .zip(&counts)
                .map(|(recent, all)| recent + 1e-6 * all)
                .collect();
        }
        _ => return scores,
    };
    let Some(&last) = before.iter().rev().find(|&&item| counts[item] > 0.0) else {
        return scores;
    };
    for history in train {
        for (place, _) in history.iter().enumerate().filter(|(_, item)| **item == last) {
            for (distance, &next) in history[place + 1..].iter().take(window).enumerate() {
                scores[next] += 1.0 / (distance + 1) as f64;
            }
        }
    }
    scores
}

/// Hit rate, gain and coverage.
fn by_hand(histories: &[History], n_items: usize, predictor: Predictor, settings: &Settings) -> ([f64; 2], usize) {
    let train: Vec<Vec<usize>> = histories.iter().map(|one| items(&one.events[..one.n_train])).collect();
    let mut recent = vec![0.0; n_items];
    for event in histories
        .iter()
        .flat_map(|one| &one.events[..one.n_train])
        .filter(|event| event.is_recent())
    {
        recent[event.item()] += 1.0;
    }
    let (mut sums, mut n) = ([0.0; 2], 0);
    for history in histories {
        let (first, end) = (history.n_train.max(1), history.events.len());
        let mut begins: Vec<usize> = (first..end).collect();
        match settings.targets {
            Targets::All => {}
            Targets::Last => begins = begins.last().copied().into_iter().collect(),
            Targets::Basket => begins.retain(|&place| history.events[place].begins_moment()),
        }
        for (nth, &begin) in begins.iter().enumerate() {
            let until = if settings.targets == Targets::All {
                begin + 1
            } else {
                begins.get(nth + 1).copied().unwrap_or(end)
            };
            let before = items(&history.events[..begin]);
            let targets: BTreeSet<usize> = items(&history.events[begin..until]).into_iter().collect();
            let mut scores = scores(predictor, &train, &recent, &before, n_items);
            if settings.asked.exclude_seen {
                before.iter().for_each(|&item| scores[item] = 0.0);
            }
            let rank = |&target: &usize| {
                let equal = |other: f64| (other - scores[target]).abs() < 1e-12;
                let above = scores
                    .iter()
                    .filter(|&&other| other > scores[target] && !equal(other))
                    .count();
                let at = scores.iter().filter(|&&other| equal(other)).count();
                let rank = above as f64 + (at as f64 - 1.0) / 2.0;
                (scores[target] > 0.0 && rank < settings.asked.k as f64).then_some(rank)
            };
            let hits: Vec<f64> = targets.iter().filter_map(rank).collect();
            let ideal: f64 = (0..targets.len().min(settings.asked.k))
                .map(|place| 1.0 / (place as f64 + 2.0).log2())
                .sum();
            sums[0] += f64::from(u8::from(!hits.is_empty()));
            sums[1] += hits.iter().map(|rank| 1.0 / (rank + 2.0).log2()).sum::<f64>() / ideal;
            n += 1;
        }
    }
    (sums.map(|sum| sum / n as f64), n)
}

fn find(evaluations: &[Evaluation], predictor: Predictor) -> &Evaluation {
    evaluations.iter().find(|one| one.predictor == predictor).unwrap()
}

#[test]
fn every_method_is_what_a_score_for_each_item_says() {
    let all = shop(30, 60, 1);
    let histories = Histories::new(60, all.clone()).unwrap();
    for targets in [Targets::All, Targets::Last, Targets::Basket] {
        for exclude_seen in [false, true] {
            let settings = settings(targets, exclude_seen, 1);
            let evaluations = evaluate(&histories, &settings, None);
            for predictor in Predictor::ALL {
                let by_model = matches!(predictor, Predictor::Model | Predictor::Network);
                if by_model || matches!(predictor, Predictor::Mixture | Predictor::Knn) {
                    continue;
                }
                let (expected, n) = by_hand(&all, 60, predictor, &settings);
                let found = find(&evaluations, predictor);
                assert_eq!(found.n, n);
                let difference = (found.hit_rate.mean - expected[0]).abs() + (found.ndcg.mean - expected[1]).abs();
                assert!(
                    difference < 1e-6,
                    "{predictor:?} {targets:?} {exclude_seen} {expected:?} {found:?}"
                );
            }
        }
    }
}

#[test]
fn neither_threads_nor_the_order_of_the_users_make_a_difference() {
    let all = shop(200, 300, 2);
    let expected = evaluate(
        &Histories::new(300, all.clone()).unwrap(),
        &settings(Targets::All, false, 1),
        None,
    );
    let mut shuffled = all;
    Random::new(3).shuffle(&mut shuffled);
    let histories = Histories::new(300, shuffled).unwrap();
    assert_eq!(evaluate(&histories, &settings(Targets::All, false, 7), None), expected);
    assert_eq!(expected.len(), 7);
}

#[test]
fn the_mixture_is_as_good_as_its_best_part() {
    // What each user does: return to the same items, follow a circle, or take what is popular.
    type Next = fn(u32, usize, &mut Random) -> u32;
    let kinds: [(Predictor, Next); 3] = [
        (Predictor::Repeat, |user, _, random| {
            user * 3 + (random.uniform() * 3.0) as u32
        }),
        (Predictor::Rules, |user, place, _| (user + place as u32 * 7) % 300),
        (Predictor::Popular, |_, _, random| {
            (300.0 * random.uniform().powi(6)) as u32
        }),
    ];
    for (part, next) in kinds {
        let mut random = Random::new(5);
        let user = |user: u32| {
            let items: Vec<u32> = (0..30).map(|place| next(user, place, &mut random)).collect();
            let mut one = history(&items, 24, &mut random);
            one.n_fit = 20;
            one
        };
        let histories = Histories::new(300, (0..100).map(user).collect()).unwrap();
        let settings = Settings {
            against: Some(part),
            ..settings(Targets::All, false, 1)
        };
        let evaluations = evaluate(&histories, &settings, None);
        let (mixture, best) = (find(&evaluations, Predictor::Mixture), find(&evaluations, part));
        let error = best.ndcg.error.unwrap();
        assert!(
            mixture.ndcg.difference.unwrap() > -error,
            "{part:?} {mixture:?} {best:?}"
        );
    }
}

#[test]
fn shares_and_misses() {
    // By hand: trained on 0 1 0; asked for 1 (had, known), 2 (new, unknown), 2 (had, unknown).
    let mut random = Random::new(1);
    let histories = Histories::new(3, vec![history(&[0, 1, 0, 1, 2, 2], 3, &mut random)]).unwrap();
    let evaluations = evaluate(&histories, &settings(Targets::All, false, 1), None);
    let popular = find(&evaluations, Predictor::Popular);
    assert_eq!((popular.n, popular.n_users), (3, 1));
    assert!((popular.repeat_share - 2.0 / 3.0).abs() < 1e-15 && (popular.unseen_share - 2.0 / 3.0).abs() < 1e-15);
    // 0 is first and 1 second: a hit in three, at place 2.
    assert!((popular.mrr.mean - 0.5 / 3.0).abs() < 1e-7 && popular.mrr.error.is_none());
    assert_eq!(popular.coverage, 1.0);
    // Only the user's own list has an item that nobody had in the training.
    let repeat = find(&evaluations, Predictor::Repeat);
    assert!((repeat.hit_rate.mean - 2.0 / 3.0).abs() < 1e-15, "{repeat:?}");
}

#[test]
fn rules_by_hand_and_for_any_threads() {
    let all = shop(60, 80, 4);
    let histories = Histories::new(80, all.clone()).unwrap();
    let rules = |window, top, min_support, threads| -> Vec<Rule> {
        let settings = RuleSettings {
            window,
            top,
            min_support,
            threads,
        };
        let bytes = item_rules(&histories, &settings);
        bytes.as_chunks::<RULE_BYTES>().0.iter().map(Rule::from_bytes).collect()
    };
    let mut expected: BTreeMap<(u32, u32), (f64, BTreeSet<usize>)> = BTreeMap::new();
    for (user, history) in all.iter().enumerate() {
        let items = items(&history.events[..history.n_train]);
        for (place, &item) in items.iter().enumerate() {
            for (distance, &next) in items[place + 1..].iter().take(10).enumerate() {
                let rule = expected.entry((item as u32, next as u32)).or_default();
                rule.0 += 1.0 / (distance + 1) as f64;
                rule.1.insert(user);
            }
        }
    }
    let found = rules(10, 1000, 1, 1);
    assert_eq!(found.len(), expected.len());
    let all_weight: f64 = expected.values().map(|(weight, _)| weight).sum();
    let sum = |of: &dyn Fn(&(u32, u32)) -> bool| -> f64 {
        expected
            .iter()
            .filter(|(pair, _)| of(pair))
            .map(|(_, (weight, _))| weight)
            .sum()
    };
    for rule in &found {
        let (weight, users) = &expected[&(rule.item, rule.next)];
        let lift = weight / sum(&|pair| pair.0 == rule.item) / (sum(&|pair| pair.1 == rule.next) / all_weight);
        assert!(
            (rule.weight - weight).abs() < 1e-9 && (rule.lift - lift).abs() < 1e-9,
            "{rule:?}"
        );
        assert_eq!(rule.support as usize, users.len());
    }
    let few = rules(10, 3, 2, 5);
    assert_eq!(few, rules(10, 3, 2, 1));
    for rule in &few {
        let stronger = found
            .iter()
            .filter(|other| other.item == rule.item && other.support >= 2 && other.weight > rule.weight);
        assert!(rule.support >= 2 && stronger.count() < 3);
    }
}

#[test]
fn a_value_is_read_as_it_was_written_and_no_other() {
    let histories = Histories::new(60, shop(20, 60, 6)).unwrap();
    let bytes = histories.to_bytes().unwrap();
    assert_eq!(Histories::from_bytes(&bytes).unwrap(), histories);
    let mut random = Random::new(7);
    for n in 0..2000 {
        let mut damaged = bytes.clone();
        match n % 3 {
            0 => damaged.truncate((random.uniform() * bytes.len() as f64) as usize),
            1 => damaged.push(0),
            _ => {
                let place = (random.uniform() * bytes.len() as f64) as usize;
                damaged[place] = random.next_u64() as u8;
            }
        }
        if let Ok(read) = Histories::from_bytes(&damaged) {
            evaluate(&read, &settings(Targets::Basket, n % 2 == 0, 1), None);
            assert_eq!(n % 3, 2);
        }
    }
}

#[test]
fn a_long_history_and_a_shop_of_one_item() {
    let mut random = Random::new(8);
    let long: Vec<u32> = (0..20_000).map(|place| place % 5000).collect();
    let histories = Histories::new(5000, vec![history(&long, 15_000, &mut random)]).unwrap();
    let evaluations = evaluate(&histories, &settings(Targets::All, false, 2), None);
    // Each item comes again after 5,000 events, of which 1,000 count; what follows it always did.
    assert_eq!(find(&evaluations, Predictor::Repeat).hit_rate.mean, 0.0);
    assert_eq!(find(&evaluations, Predictor::Markov1).hit_rate.mean, 1.0);
    let one = Histories::new(1, vec![history(&[0, 0, 0], 1, &mut random)]).unwrap();
    let evaluations = evaluate(&one, &settings(Targets::All, false, 2), None);
    assert!(
        evaluations
            .iter()
            .all(|one| one.hit_rate.mean == 1.0 && one.mrr.mean == 1.0)
    );
    assert!(
        evaluate(
            &Histories::new(0, Vec::new()).unwrap(),
            &settings(Targets::All, false, 2),
            None
        )
        .is_empty()
    );
}

/// Trains on histories whose items are called by odd numbers, in descending order.
fn trained(histories: &Histories, top: usize, settings: &Settings) -> Trained {
    let n_items = histories.n_items as i64;
    let names = Ids::Numbers((0..n_items).map(|item| 2 * (n_items - item) + 1).collect());
    train(histories, &names, top, Some(5), None, settings).unwrap().unwrap()
}

/// The score of every item, as the mixture is written down: shares of own items, of what follows the last one, and of all events.
fn mixed(mixture: &Mixture, train: &[Vec<usize>], recent: &[f64], before: &[usize], n_items: usize) -> Vec<f64> {
    let count = |item| train.iter().flatten().filter(|&&one| one == item).count() as f64;
    let counts: Vec<f64> = (0..n_items).map(count).collect();
    let popular = if mixture.is_recent || before.is_empty() {
        recent
            .iter()
            .zip(&counts)
            .map(|(recent, all)| recent + 1e-6 * all)
            .collect()
    } else {
        counts
    };
    let sum: f64 = popular.iter().sum();
    let mut scores: Vec<f64> = popular.iter().map(|one| one / sum).collect();
    let is_known = |item: &&usize| train.iter().flatten().any(|one| one == *item);
    let last = before.iter().rev().find(is_known);
    if before.is_empty() {
        return scores;
    }
    let mut follows = vec![0.0; n_items];
    for history in train {
        for (place, _) in history.iter().enumerate().filter(|(_, item)| Some(*item) == last) {
            for (distance, &next) in history[place + 1..].iter().take(4).enumerate() {
                follows[next] += 1.0 / (distance + 1) as f64;
            }
        }
    }
    let total: f64 = follows.iter().sum();
    let power = mixture.fading.power();
    let ages = || (1..=before.len()).map(|age| (age as f64).powf(-power));
    for (item, score) in scores.iter_mut().enumerate() {
        let own: f64 = before
            .iter()
            .rev()
            .zip(ages())
            .filter(|(one, _)| **one == item)
            .map(|(_, one)| one)
            .sum();
        *score = mixture.repeat * own / ages().sum::<f64>()
            + mixture.rules * (follows[item] + *score) / (total + 1.0)
            + mixture.popular * *score;
    }
    scores
}

/// A network for which a moment is enough.
const NETWORK: NetworkSettings = NetworkSettings {
    dim: 16,
    layers: 1,
    heads: 1,
    max_length: 6,
    epochs: 3,
    patience: 3,
    learning_rate: 0.01,
    dropout: 0.1,
    seed: 3,
    min_count: 2,
};

#[test]
fn a_network_joins_what_is_counted_by_its_share() {
    let histories = Histories::new(60, shop(60, 60, 4)).unwrap();
    let names = Ids::Numbers((0..60).collect());
    let settings = settings(Targets::All, false, 2);
    let trained = train(&histories, &names, 1000, None, Some(&NETWORK), &settings)
        .unwrap()
        .unwrap();
    assert_eq!(trained.epochs.iter().filter(|one| one.is_best).count(), 1);
    let bytes = trained.model.to_bytes().unwrap();
    let with = |repeat: f64, network: f64| {
        let mut model = ItemModel::from_bytes(&bytes).unwrap();
        let rest = (1.0 - repeat - network) / 2.0;
        model.mixture = Mixture {
            repeat,
            rules: rest,
            popular: rest,
            network,
            ..model.mixture
        };
        model
    };
    let (both, counted, alone) = (with(0.3, 0.4), with(0.5, 0.0), with(0.0, 1.0 - 1e-12));
    let n_items = both.ids.len() as u32;
    let mut room = Room::new(n_items as usize);
    for history in [&[3, 1, 4, 1, 5, 9, 2, 6, 5][..], &[n_items, 2], &[n_items], &[]] {
        let events: Vec<Event> = history.iter().map(|&item| Event::from_word(item)).collect();
        let n_all = n_items + u32::from(history.contains(&n_items));
        let every: Vec<u32> = (0..n_all).collect();
        let mut scores = |model: &ItemModel| model.scores(&events, &every, &mut room);
        let (found, of_counts, of_network) = (scores(&both), scores(&counted), scores(&alone));
        let knows_one = history.iter().any(|&item| item < n_items);
        for item in 0..n_all as usize {
            // A network that knows nothing of a history says nothing of it, and an empty one is answered by what is popular.
            let expected = match (history, knows_one) {
                ([], _) => of_counts[item],
                (_, false) => 0.6 * of_counts[item],
                _ => 0.6 * of_counts[item] + 0.4 * of_network[item],
            };
            assert!(
                (found[item] - expected).abs() < 1e-7,
                "{history:?}: {} for {expected}",
                found[item]
            );
        }
        if knows_one {
            let sum: f64 = of_network[..n_items as usize].iter().sum();
            assert!((sum - 1.0).abs() < 1e-4, "{sum}");
        }
        for hides_own in [false, true] {
            let is_shown = |item: &u32| !(hides_own && history.contains(item));
            let wanted = Wanted {
                k: 5,
                hides_own,
                hidden: &[],
                among: None,
            };
            let mut sorted: Vec<u32> = every.iter().copied().filter(is_shown).collect();
            sorted.sort_by(|&a, &b| found[b as usize].total_cmp(&found[a as usize]));
            let shown: Vec<f64> = both
                .recommend(&events, &wanted, &mut room)
                .iter()
                .map(|one| one.0)
                .collect();
            let expected: Vec<f64> = sorted.iter().take(5).map(|&item| found[item as usize]).collect();
            assert_eq!(shown, expected);
            both.prepare(&[&[], &events], &mut room);
            let question = Question {
                history: &events,
                number: 1,
                mixture: &both.mixture,
            };
            let asked = Asked {
                exclude_seen: hides_own,
                ..settings.asked
            };
            let targets: Vec<Option<u32>> = every.iter().copied().map(Some).collect();
            let (ranks, list) = both.judge(&question, &targets, &asked, &mut room);
            assert_eq!(list.len(), 5);
            for (&item, rank) in every.iter().zip(ranks) {
                let count = |is: fn(&f64, &f64) -> bool| {
                    sorted
                        .iter()
                        .filter(|&&other| is(&found[other as usize], &found[item as usize]))
                        .count() as f64
                };
                let expected = count(f64::gt) + (count(f64::eq) - 1.0) / 2.0;
                assert_eq!(
                    rank,
                    if is_shown(&item) { expected } else { f64::INFINITY },
                    "{item} behind {history:?}"
                );
            }
        }
    }
}

#[test]
fn a_network_reads_nothing_of_what_chooses_it() {
    let all = shop(60, 200, 5);
    let fits: BTreeSet<usize> = all.iter().flat_map(|one| items(&one.events[..one.n_fit])).collect();
    let trains: BTreeSet<usize> = all.iter().flat_map(|one| items(&one.events[..one.n_train])).collect();
    assert!(fits.len() < trains.len());
    let names = Ids::Numbers((0..200).collect());
    let network = NetworkSettings {
        epochs: 1,
        min_count: 1,
        ..NETWORK
    };
    let histories = Histories::new(200, all).unwrap();
    let settings = settings(Targets::All, false, 2);
    let model = train(&histories, &names, 9, None, Some(&network), &settings)
        .unwrap()
        .unwrap()
        .model;
    let known = model
        .network
        .as_ref()
        .unwrap()
        .places()
        .iter()
        .map(|&place| model.ids.get(place as usize));
    let fits: BTreeSet<i64> = fits.into_iter().map(|item| item as i64).collect();
    let known = known.map(|id| match id {
        Id::Number(number) => number,
        Id::Text(_) => unreachable!("all names are numbers"),
    });
    assert_eq!(known.collect::<BTreeSet<i64>>(), fits);
}

#[test]
fn a_model_says_what_the_mixture_is_written_down_as() {
    let all = shop(30, 60, 1);
    let histories = Histories::new(60, all.clone()).unwrap();
    let train: Vec<Vec<usize>> = all.iter().map(|one| items(&one.events[..one.n_train])).collect();
    let mut recent = vec![0.0; 60];
    for event in all
        .iter()
        .flat_map(|one| &one.events[..one.n_train])
        .filter(|event| event.is_recent())
    {
        recent[event.item()] += 1.0;
    }
    let model = trained(&histories, 1000, &settings(Targets::All, false, 1)).model;
    let known: Vec<usize> = (0..60)
        .filter(|item| train.iter().flatten().any(|one| one == item))
        .collect();
    assert_eq!(model.ids.len(), known.len());
    let read = ItemModel::from_bytes(&model.to_bytes().unwrap()).unwrap();
    let mut room = Room::new(known.len());
    let find = |item: usize| model.ids.find(Id::Number(2 * (60 - item as i64) + 1));
    let place = |item: usize| find(item).unwrap();
    // The last item is in no training; it has the number behind those of the model where a history has it.
    let number = |item: usize| find(item).unwrap_or(known.len() as u32);
    let histories = [
        vec![],
        vec![known[3]],
        vec![known[3], known[0], 59, known[17], 59],
        vec![59; 3],
        vec![known[5]; 1000],
    ];
    for before in histories {
        let expected = mixed(&model.mixture, &train, &recent, &before, 60);
        let events: Vec<Event> = before.iter().map(|&item| Event::from_word(number(item))).collect();
        let mut every = known.clone();
        every.extend(before.contains(&59).then_some(59));
        for model in [&model, &read] {
            let numbers: Vec<u32> = every.iter().map(|&item| number(item)).collect();
            let scores = model.scores(&events, &numbers, &mut room);
            let equal = |(score, &item): (&f64, &usize)| (score - expected[item]).abs() <= 1e-6 * expected[item];
            assert!(
                scores.iter().zip(&every).all(equal),
                "{before:?} {scores:?} {expected:?}"
            );
        }
        let own: BTreeSet<usize> = before.iter().copied().collect();
        let hidden = [
            place(known[1]).min(place(known[2])),
            place(known[1]).max(place(known[2])),
        ];
        let some: Vec<u32> = known[..20].iter().map(|&item| place(item)).collect();
        for (hides_own, hidden, among) in [
            (false, &[][..], None),
            (true, &[][..], None),
            (true, &hidden[..], Some(&some[..])),
        ] {
            let wanted = Wanted {
                k: 7,
                hides_own,
                hidden,
                among,
            };
            let shown = read.recommend(&events, &wanted, &mut room);
            let is_allowed = |item: &usize| {
                !(hidden.contains(&number(*item)) || hides_own && own.contains(item))
                    && among.is_none_or(|some| some.contains(&number(*item)))
            };
            let of = |item: &usize| Some(expected[*item]).filter(|score| *score > 0.0);
            let mut best: Vec<f64> = every.iter().filter(|item| is_allowed(item)).filter_map(of).collect();
            best.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(shown.len(), 7);
            for ((score, item), best) in shown.iter().zip(best) {
                assert!(
                    (score - best).abs() < 1e-6 * best,
                    "{before:?} {hides_own} {among:?} {shown:?}"
                );
                assert!(
                    every
                        .iter()
                        .filter(|one| is_allowed(one))
                        .any(|&one| number(one) == *item)
                );
            }
        }
    }
}

#[test]
fn a_model_is_judged_as_the_mixture_is() {
    // With all rules, and every target in the training, both are the same.
    let mut all = shop(60, 60, 9);
    for history in &mut all {
        history.events.retain(|event| event.item() != 59);
        history.n_train = history.n_train.min(history.events.len());
        history.n_fit = history.n_fit.min(history.n_train);
    }
    let histories = Histories::new(60, all).unwrap();
    for targets in [Targets::All, Targets::Basket] {
        for exclude_seen in [false, true] {
            let settings = settings(targets, exclude_seen, 1);
            let whole = trained(&histories, 1000, &settings);
            let (model, mixture) = (
                find(&whole.evaluations, Predictor::Model),
                find(&whole.evaluations, Predictor::Mixture),
            );
            assert!(
                (model.ndcg.mean - mixture.ndcg.mean).abs() < 1e-6,
                "{model:?} {mixture:?}"
            );
            assert!((model.hit_rate.mean - mixture.hit_rate.mean).abs() < 1e-6 && model.coverage == mixture.coverage);
            // As it is, and for any threads, in evaluate.
            let given = Given {
                model: whole.model.clone(),
                names: Ids::Numbers((0..60).map(|item| 2 * (60 - item) + 1).collect()),
            };
            let many = Settings { threads: 5, ..settings };
            assert_eq!(evaluate(&histories, &many, Some(given)), whole.evaluations);
            assert_eq!(
                trained(&histories, 1000, &many).model.to_bytes(),
                whole.model.to_bytes()
            );
            let cut = trained(&histories, 2, &settings);
            assert!(cut.model.followers.next.len() <= 2 * 59 && find(&cut.evaluations, Predictor::Mixture) == mixture);
        }
    }
}

#[test]
fn names_find_their_items_and_two_equal_ones_are_refused() {
    let mut texts = Texts::default();
    ["b", "", "10", "ä"].into_iter().for_each(|text| texts.push(text));
    let mut random = Random::new(1);
    let histories = Histories::new(4, vec![history(&[0, 1, 2, 3, 0, 1], 5, &mut random); 2]).unwrap();
    let settings = settings(Targets::All, false, 1);
    let model = train(&histories, &Ids::Texts(texts), 9, None, None, &settings)
        .unwrap()
        .unwrap()
        .model;
    let found = |text: &str| {
        model
            .ids
            .find(Id::Text(text.as_bytes()))
            .map(|item| model.ids.get(item as usize))
    };
    for text in ["", "10", "b", "ä"] {
        assert_eq!(found(text), Some(Id::Text(text.as_bytes())));
    }
    assert_eq!((found("a"), model.ids.find(Id::Number(10))), (None, Some(1)));
    let mut equal = Texts::default();
    ["b", "a", "b", "c"].into_iter().for_each(|text| equal.push(text));
    assert!(train(&histories, &Ids::Texts(equal), 9, None, None, &settings).is_err());
}
