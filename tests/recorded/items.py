#!/usr/bin/env python3
"""How good counting is at saying which item comes next, by a second implementation: a score for every item of the catalogue.

    pip install numpy scipy duckdb
    python3 tests/recorded/items.py DATA SET [--targets all|last|basket] [--exclude-seen] [--split leave_last_out] [--window 10]

prints what tests/sql/items expects, one line per method: hit rate, NDCG and MRR at 10, each with its standard error over users. SET is
`taobao` (the next category), `retail` (the next line of an order) or `movielens`, for which DATA is the folder that the shared
movielens.py wrote to. Histories come in the order of the SQL tests: by time, then by what they give as tie_break.
"""

import argparse

import duckdb
import numpy as np
import scipy.sparse as sparse

QUERIES = {
    "taobao": """SELECT list(category_id ORDER BY ts, behavior_type, item_id), list(ts ORDER BY ts, behavior_type, item_id) FROM
        (SELECT DISTINCT * FROM '{}/taobao_userbehavior_users.parquet' WHERE ts >= 1511539200 AND ts < 1512316800) GROUP BY user_id""",
    "retail": """SELECT list(stock_code ORDER BY invoice_ts, line), list(epoch(invoice_ts)::BIGINT ORDER BY invoice_ts, line) FROM
        (SELECT *, row_number() OVER () AS line FROM '{}/online_retail_2009_2010.parquet')
        WHERE customer_id IS NOT NULL AND quantity > 0 AND unit_price > 0 GROUP BY customer_id""",
    "movielens": """SELECT list(item_id ORDER BY ts, "row"), list(epoch(ts)::BIGINT ORDER BY ts, "row")
        FROM '{}/ml100k_ratings.parquet' GROUP BY user_id""",
}


def load(folder, name):
    rows = duckdb.connect().execute(QUERIES[name].format(folder)).fetchall()
    number = {}
    return [(np.array([number.setdefault(one, len(number)) for one in items]), np.array(times)) for items, times in rows], len(number)


def disc(times, share):
    return np.sort(times)[int(np.ceil(share * len(times))) - 1]


def followers(train, n, window):
    pairs = sparse.csr_matrix((n, n))
    for distance in range(1, window + 1):
        a = np.concatenate([one[:-distance] for one in train if len(one) > distance])
        b = np.concatenate([one[distance:] for one in train if len(one) > distance])
        pairs = pairs + sparse.csr_matrix((np.full(len(a), 1 / distance), (a, b)), (n, n))
    return pairs.tocsr()


class Knn:
    def __init__(self, train, n, share):
        sessions = [one[i : i + 50] for one in train for i in range(0, len(one), 50)]
        self.x = np.zeros((len(sessions), n), np.float32)
        for row, one in zip(self.x, sessions):
            row[one] = 1
        self.norm = np.sqrt(self.x.sum(1))
        self.rare = np.log(len(sessions) / np.maximum(self.x.sum(0), 1))
        self.share = share

    def __call__(self, before):
        last = before[-20:]
        query = np.zeros(self.x.shape[1])
        # Whole numbers: sessions that are equally near are equal.
        np.add.at(query, last, np.arange(1, len(last) + 1))
        items = np.flatnonzero(query)
        near = (self.x[:, items] @ query[items]).astype(float) / self.norm
        if len(near) > 100:
            near[near < np.sort(near)[-100]] = 0
        used = np.flatnonzero(near)
        return near[used] @ self.x[used].astype(float) * self.rare + 1e-6 * self.share


def scorers(train, recent, n, window):
    count = np.bincount(np.concatenate(train), minlength=n)
    share = count / count.sum()
    known = count > 0
    rows = {"markov_1": followers(train, n, 1), "rules": followers(train, n, window)}

    def behind(pairs):
        def score(before):
            last = [one for one in before if known[one]]
            return share + (pairs[last[-1]].toarray().ravel() if last else 0)

        return score

    def repeat(before):
        score = share.copy()
        for place, one in enumerate(before):
            score[one] = 2 + place
        return score

    of = {"popular": lambda before: share, "repeat": repeat, **{name: behind(pairs) for name, pairs in rows.items()}, "knn": Knn(train, n, share)}
    if recent is not None:
        of["popular_recent"] = lambda before: recent + 1e-6 * count
    return known, of


def measure(score, targets, hidden, k=10):
    score = score.copy()
    score[hidden] = -1
    ranks = [np.sum(score > score[one]) + (np.sum(score == score[one]) - 1) / 2 if score[one] > 0 else np.inf for one in targets]
    hits = np.array([one for one in ranks if one < k])
    ideal = np.sum(1 / np.log2(np.arange(min(k, len(targets))) + 2))
    return (len(hits) > 0, np.sum(1 / np.log2(hits + 2)) / ideal, 1 / (hits.min() + 1) if len(hits) else 0)


def cases(items, times, first, targets):
    n = len(items)
    first = max(first, 1)
    if targets == "all":
        return [(i, i + 1) for i in range(first, n)]
    if targets == "last":
        return [(n - 1, n)] if n > first else []
    begins = [i for i in range(first, n) if times[i] != times[i - 1]]
    return list(zip(begins, begins[1:] + [n]))


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data")
    arguments.add_argument("set", choices=QUERIES)
    arguments.add_argument("--targets", default="all")
    arguments.add_argument("--exclude-seen", action="store_true")
    arguments.add_argument("--split", default="time")
    arguments.add_argument("--window", type=int, default=10)
    given = arguments.parse_args()
    users, n = load(given.data, given.set)
    users = [(items, times) for items, times in users if len(items) >= 5]
    every = np.concatenate([times for _, times in users])
    moment = disc(every, 0.9)
    if given.split == "time":
        n_train = [np.sum(times < moment) for _, times in users]
    elif given.targets == "basket":
        n_train = [np.sum(times < times[-1]) for _, times in users]
    else:
        n_train = [len(items) - 1 for items, _ in users]
    latest = disc(every[every < moment] if given.split == "time" else every, 0.95)
    train = [items[:first] for (items, _), first in zip(users, n_train)]
    of_late = np.concatenate([items[:first][times[:first] >= latest] for (items, times), first in zip(users, n_train)])
    known, of = scorers(train, np.bincount(of_late, minlength=n), n, given.window)
    sums = {name: np.zeros((len(users), 3)) for name in of}
    counts, repeats, unseen, asked = np.zeros(len(users)), 0, 0, 0
    for user, ((items, times), first) in enumerate(zip(users, n_train)):
        for begin, end in cases(items, times, first, given.targets):
            before, targets = items[max(begin - 1000, 0) : begin], np.unique(items[begin:end])
            counts[user] += 1
            asked += len(targets)
            repeats += np.isin(targets, before).sum()
            unseen += (~known[targets]).sum()
            hidden = np.unique(before) if given.exclude_seen else []
            for name, score in of.items():
                sums[name][user] += measure(score(before), targets, hidden)
    used = counts > 0
    counts = counts[used]
    print(f"n {counts.sum():.0f} users {len(counts)} repeat_share {repeats / asked:.6f} unseen_share {unseen / asked:.6f}")
    for name, by_user in sorted(sums.items()):
        line = []
        for one in by_user[used].T:
            mean = one.sum() / counts.sum()
            error = np.sqrt(len(counts) / (len(counts) - 1) * np.sum((one - mean * counts) ** 2)) / counts.sum()
            line += [f"{mean:.6f} {error:.6f}"]
        print(name, *line)
