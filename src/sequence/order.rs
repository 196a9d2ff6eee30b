//! A user's events in the order in which they happened.
//!
//! An event arrives as one number: the microseconds since some start, times 256, plus the
//! place of its action in a list of at most 255. So a history takes 8 bytes per event, and
//! sorting numbers sorts by time and then by action.

/// What comes between time and action where several events have the same time; `None`
/// comes last.
pub type Tie = Option<u64>;

/// Time since the start in microseconds.
pub fn time_us(event: i64) -> i64 {
    event >> 8
}

/// Place of the action, from 1; 0 is no action.
pub fn action(event: i64) -> usize {
    (event & 0xff) as usize
}

/// Sorts `events` by time, then by `ties`, then by action.
///
/// # Panics
/// When there are ties, but not one per event.
pub fn sort(events: &mut [i64], ties: Option<&[Tie]>) {
    let Some(ties) = ties else {
        events.sort_unstable();
        return;
    };
    assert_eq!(events.len(), ties.len(), "one tie per event");
    let mut keyed: Vec<_> = events
        .iter()
        .zip(ties)
        .map(|(&event, tie)| (time_us(event), tie.is_none(), tie.unwrap_or(0), event))
        .collect();
    keyed.sort_unstable();
    for (event, (.., sorted)) in events.iter_mut().zip(keyed) {
        *event = sorted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(time: i64, action: i64) -> i64 {
        time << 8 | action
    }

    #[test]
    fn an_event_is_its_time_and_its_action() {
        for (time, place) in [(0, 1), (1, 255), ((1 << 55) - 1, 7)] {
            assert_eq!(time_us(event(time, place)), time);
            assert_eq!(action(event(time, place)), place as usize);
        }
    }

    #[test]
    fn time_comes_first_then_the_tie_then_the_action() {
        let mut events = [event(2, 1), event(1, 3), event(1, 2), event(1, 1)];
        sort(&mut events, None);
        assert_eq!(events, [event(1, 1), event(1, 2), event(1, 3), event(2, 1)]);

        let mut events = [event(2, 1), event(1, 3), event(1, 2), event(1, 1), event(1, 4)];
        sort(&mut events, Some(&[Some(0), Some(u64::MAX), None, Some(5), Some(5)]));
        assert_eq!(
            events,
            [event(1, 1), event(1, 4), event(1, 3), event(1, 2), event(2, 1)]
        );
    }
}
