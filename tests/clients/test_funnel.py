"""footfall.funnel against a search through all chains of random users, in every mode.

The rules, once more and without cleverness: a chain is one event per step, none before the one before it, all within
the window of the first and in one value of `per`. With `strict` no event strictly between two steps is of an action
other than the second step to the next one, or than the first while the chain has only that. Of the chains of a user that get furthest the one that is complete first is
taken, of those the one that began first, and so on.
"""

import itertools
import random
import statistics
import unittest
from datetime import timedelta

from client import connect

N_USERS = 60
STEPS = ["a"], ["a", "a"], ["a", "b", "c"], ["a", "b", "a"], ["b", "a", "b", "c"]
# Few moments, so that many events fall together and many chains end on the edge of their window.
WINDOWS = None, 0, 3
MODES = list(itertools.product(STEPS, WINDOWS, (False, True), (False, True), (False, True)))


def random_events(seed):
    """Rows of user, session, minute, action."""
    draw = random.Random(seed)
    return [
        (user, draw.choice([None, 1, 1, 2]), draw.randrange(9), draw.choice("aaabbccd"))
        for user in range(N_USERS)
        for _ in range(draw.randrange(1, 9))
    ]


def chains(events, steps, within, strict, strict_increase, chain=()):
    """The minutes of every chain that goes on from `chain`."""
    yield chain
    if len(chain) == len(steps):
        return
    for minute, action in events:
        if action != steps[len(chain)]:
            continue
        if chain:
            last = chain[-1]
            if minute < last or (strict_increase and minute == last):
                continue
            if within is not None and minute > chain[0] + within:
                continue
            kept = steps[len(chain) > 1 : len(chain) + 1]
            if strict and any(last < at < minute and other not in kept for at, other in events):
                continue
        yield from chains(events, steps, within, strict, strict_increase, (*chain, minute))


def furthest(rows, per, *mode):
    """The chain of one user's rows of session, minute, action."""
    sessions = {session for session, _, _ in rows if session is not None} if per else {None}
    found = [
        chain
        for session in sessions
        for chain in chains([(minute, action) for of, minute, action in rows if not per or of == session], *mode)
    ]
    return min(found, key=lambda chain: (-len(chain), chain[-1:], chain), default=())


def report(users, steps, per):
    """What the funnel says of these users, each with rows and a chain."""
    lines = []
    for index, action in enumerate(steps):
        reached = [chain for _, chain in users if len(chain) > index]
        gaps = [chain[index] - chain[index - 1] for chain in reached] if index else []
        median = timedelta(minutes=statistics.median(gaps)) if gaps else None
        n_any = sum(any(what == action and (session or not per) for session, _, what in rows) for rows, _ in users)
        lines.append((index + 1, action, len(reached), median, n_any))
    return lines


class Funnel(unittest.TestCase):
    def test_a_search_through_all_chains_agrees(self):
        n_chains = 0
        with connect() as connection:
            for seed, (steps, within, strict, strict_increase, per) in enumerate(MODES):
                rows = random_events(seed)
                connection.execute(
                    "CREATE OR REPLACE TABLE events AS SELECT user_id, session, TIMESTAMP '2017-11-25' + to_minutes(minute) AS ts, action"
                    " FROM (SELECT unnest($1::INTEGER[]), unnest($2::INTEGER[]), unnest($3::INTEGER[]), unnest($4::VARCHAR[]))"
                    " AS rows(user_id, session, minute, action)",
                    [list(column) for column in zip(*rows)],
                )
                options = f"steps := {steps}, strict := {strict}, strict_increase := {strict_increase}, absent := 'zero'"
                options += "" if within is None else f", within := INTERVAL {within} MINUTES"
                options += ", per := session" if per else ""
                users = {}
                for user, session, minute, action in rows:
                    if session is not None or not per:
                        users.setdefault(user, []).append((session, minute, action))
                done = {
                    user: (own, furthest(own, per, steps, within, strict, strict_increase)) for user, own in users.items()
                }
                n_chains += sum(len(chain) > 1 for _, chain in done.values())
                columns = "step, action, users, median_time_from_previous, users_in_any_order"
                with self.subTest(options):
                    found = connection.execute(f"SELECT {columns} FROM footfall.funnel(events, user_id, action, ts, {options})")
                    self.assertEqual(found.fetchall(), report(done.values(), steps, per))
                    # One funnel per user shows the times of every single chain.
                    found = connection.execute(
                        f"SELECT {columns}, group_value FROM footfall.funnel(events, user_id, action, ts, {options}, by := user_id)"
                    )
                    expected = [(*line, user) for user in sorted(done) for line in report([done[user]], steps, per)]
                    self.assertEqual(found.fetchall(), expected)
        # The random users must have something to disagree about.
        self.assertGreater(n_chains, 1000)


if __name__ == "__main__":
    unittest.main()
