#!/usr/bin/env python3
"""Boosted trees against the logistic regression of `train_propensity`, on the same features of real shops.

    FOOTFALL_EXTENSION=build/footfall.duckdb_extension build/peers/bin/python benches/trees.py

The question is whether trees should be built in. Both learn from the users and cut-offs that the model learned from, and are judged
on other users at a later cut-off. The trees are scikit-learn's HistGradientBoostingClassifier; number, size and pace of the trees are chosen
by five-fold cross-validation over the training users, with all rows of a user in one fold. The gain is the mean over the
users of the test of the log loss of the regression less that of the trees: above zero trees are better. Its error is the standard error over these users.
"""

import os
import sys
from itertools import product
from pathlib import Path

import duckdb
import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/peers"))
from test_scikit_learn import DATA, PLANTED, RETAIL, TAOBAO, features, trained  # noqa: E402

SETS = {
    "planted rule, 1 day": (PLANTED, None, "INTERVAL 1 DAY", "[1, 7, 30]"),
    "Online Retail, 1 month": (RETAIL, "online_retail_2009_2010.parquet", "INTERVAL 1 MONTH", "[7, 30, 90]"),
    "Online Retail, 3 months": (RETAIL, "online_retail_2009_2010.parquet", "INTERVAL 3 MONTHS", "[7, 30, 90]"),
    "Taobao, 1 day": (TAOBAO, "taobao_userbehavior_users.parquet", "INTERVAL 1 DAY", "[1, 7, 30]"),
    "Taobao, 3 days": (TAOBAO, "taobao_userbehavior_users.parquet", "INTERVAL 3 DAYS", "[1, 7, 30]"),
}
GRID = [
    {"max_iter": n, "max_leaf_nodes": leaves, "learning_rate": rate, "min_samples_leaf": 20, "l2_regularization": 1.0}
    for n, leaves, rate in product((25, 50, 100, 200), (2, 4, 8, 31), (0.03, 0.1))
]


def losses(y, told):
    told = np.clip(told, 1e-6, 1 - 1e-6)
    return -np.where(y == 1, np.log(told), np.log1p(-told))


def trees(x, y, user):
    """The trees that cross-validation chooses."""
    folds = list(GroupKFold(5).split(x, y, user))

    def loss(options):
        fitted = [(HistGradientBoostingClassifier(**options, random_state=0).fit(x[a], y[a]), b) for a, b in folds]
        return np.mean([losses(y[b], model.predict_proba(x[b])[:, 1]).mean() for model, b in fitted])

    best = min(GRID, key=loss)
    return HistGradientBoostingClassifier(**best, random_state=0).fit(x, y), best


def compare(create, horizon, windows):
    connection, info, end = trained(create, horizon, windows)
    x, y, part, user = features(connection, info["cutoffs"], [end(one) for one in info["cutoffs"]])
    learned = part != "test"
    model, chosen = trees(x[learned], y[learned], user[learned])
    x, y, part, _ = features(connection, [info["test_cutoff"]], [end(info["test_cutoff"])])
    x, y = x[part == "test"], y[part == "test"]
    logistic = 1 / (1 + np.exp(-(x @ np.array(info["raw_weights"]) + info["raw_intercept"])))
    return y, logistic, model.predict_proba(x)[:, 1], chosen


if __name__ == "__main__":
    print(f"DuckDB {duckdb.__version__}, scikit-learn {sklearn.__version__}")
    for name, (create, file, horizon, windows) in SETS.items():
        if file and not (DATA / file).exists():
            print(f"{name}: skipped, {DATA / file} is not here")
            continue
        y, ours, theirs, chosen = compare(create.format(DATA / file) if file else create, horizon, windows)
        gain = losses(y, ours) - losses(y, theirs)
        print(
            f"{name}, {len(y)} users: log loss {losses(y, ours).mean():.4f} logistic, {losses(y, theirs).mean():.4f} trees, gain of the trees"
            f" {gain.mean():.4f} ± {gain.std(ddof=1) / len(y) ** 0.5:.4f}; AUC {roc_auc_score(y, ours):.3f}, {roc_auc_score(y, theirs):.3f}; chosen {chosen}",
            flush=True,
        )
