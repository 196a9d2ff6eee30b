"""Records what scikit-learn says about clusterings of generated customers in segments.json.

    python3 tests/recorded/segments.py        (scikit-learn 1.9.1, numpy 2.4.6)

The customers are made here from a seeded generator: whole days, whole counts and money in
cents, so the numbers in the file are exact. Coordinates are standardised with StandardScaler.
Per data set and k: the lowest inertia that 200 starts of KMeans reach with tol=0, and for the
labels of that run the silhouette of all points and the Davies-Bouldin index. In the set
`rounding`, one coordinate differs by rounding only, which StandardScaler recognises (scale 1), and
one has its digits behind a large offset. For the groups
also the mean log likelihood of GaussianMixture with one to five components (tol=1e-9).
"""

import json
import pathlib

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler


def shop(random, n):
    """Recency in days and number of purchases: many customers share both."""
    recent = random.random(n) < 0.6
    recency = np.where(recent, random.integers(0, 3, n), random.integers(4, 9, n))
    heavy = random.random(n) < 0.1
    frequency = np.where(heavy, 6 + random.poisson(4, n), 1 + random.geometric(0.6, n))
    return np.column_stack([recency, frequency]).astype(float)


def money(random, n):
    """The same with an amount spent that hardly repeats."""
    base = shop(random, n)
    amount = np.round(np.exp(random.normal(3, 1, n)) * base[:, 1], 2)
    return np.column_stack([base, amount])


def groups(random, n):
    """Five groups in four dimensions, the coordinates in different units."""
    centres = random.normal(size=(5, 4)) * 4
    points = centres[random.integers(0, 5, n)] + random.normal(size=(n, 4))
    return np.round(points * [1, 10, 100, 0.01], 5) + [0, 5, -300, 2]


def rounding(random, n):
    """Ten payments of a shop added up in some order, a number of 1e9 and more, and days."""
    payments = np.array([0.1, 0.2, 0.3, 0.7, 1.1, 2.3, 9.99, 19.9, 0.01, 5.05])
    spent = [sum(random.permutation(payments).tolist()) for _ in range(n)]
    return np.column_stack([spent, 1e9 + random.choice([0, 1, 100, 101], n), random.integers(0, 60, n)])


random = np.random.default_rng(20171125)
sets = {"shop": shop(random, 1500), "money": money(random, 600), "groups": groups(random, 400), "rounding": rounding(random, 300)}
recorded = []
for name, points in sets.items():
    scaled = StandardScaler().fit_transform(points)
    results = []
    for k in range(1, 9):
        model = KMeans(k, n_init=200, tol=0, max_iter=1000, random_state=1).fit(scaled)
        several = k > 1
        results.append(
            {
                "k": k,
                "inertia": model.inertia_,
                "sizes": sorted(np.bincount(model.labels_).tolist(), reverse=True),
                "silhouette": silhouette_score(scaled, model.labels_) if several else None,
                "davies_bouldin": davies_bouldin_score(scaled, model.labels_) if several else None,
            }
        )
    mixtures = []
    for k in range(1, 6) if name == "groups" else []:
        model = GaussianMixture(k, tol=1e-9, max_iter=10_000, n_init=3, random_state=1).fit(scaled)
        mixtures.append({"k": k, "log_likelihood": model.score(scaled), "weights": sorted(model.weights_, reverse=True)})
    recorded.append(
        {
            "name": name,
            "dimensions": points.shape[1],
            "points": points.ravel().tolist(),
            "results": results,
            "mixtures": mixtures,
        }
    )
path = pathlib.Path(__file__).with_name("segments.json")
path.write_text(json.dumps(recorded, separators=(",", ":")) + "\n")
