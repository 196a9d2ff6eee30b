#!/usr/bin/env python3
"""The relational macros against hand-written DuckDB SQL, pandas, Polars and Spark on the same events.

    python3 benches/relational.py --duckdb DIR --extension PATH [--data PARQUET | --rows 1000000] [--threads 2]
        [--repeat 3] [--only NAME …] [--against hand pandas polars pyspark] [--memory-limit 6GB] [--lines PARQUET]

The events come from footfall.generate_events, or with --data from a Parquet file with the columns
`user_id, item_id, category_id, action, ts` (`make bench-data`). Every contender starts from its data (a table in a
DuckDB database file, a frame in memory, for Spark a cached one), writes its result to memory, and is timed as the best of --repeat runs in
wall time and in CPU time of the process; CPU time is the one to read on a busy machine. The contenders take turns,
every second time in the opposite order. Peers that are not installed are left out, and said to be; Spark needs Java
17, and has no CPU time here because it works in a process of its own. A ratio above 1 means that the macro is faster; the
one of the CPU times is in brackets.

The hand-written SQL means what the macro means: its result is compared with the macro's, and a row says so where they
differ. It leaves out what the macro does for other data: checks of arguments, keys of other types, time zones, names.
Rows named lines read a file of order lines, Online Retail II taken ten times over, and are left out where it is not there.

With --memory-limit DuckDB spills to the folder beside the database, each cell has the peak of resident memory
while it ran, and results are not compared. Give `--against` without names to time the macros alone.
"""

import argparse
import os
import resource
import sys
import tempfile
import time

FROM, UNTIL = "2017-11-25", "2017-12-04"
PERIOD = f"ts >= DATE '{FROM}' AND ts < DATE '{UNTIL}'"
FINITE = "ts > TIMESTAMP '-infinity' AND ts < TIMESTAMP 'infinity'"
GOOD = f"user_id IS NOT NULL AND action IN ('pv', 'cart', 'fav', 'buy') AND {PERIOD}"


def scored(orders, customer, money=False):
    """RFM of `orders` (customer, ts, last, and with money s and g, the sum of amounts and of their absolute values).

    Scores are given per different value, since customers are many; cuts that fall together are moved apart."""
    is_purchase = "s > 5e-15 * g" if money else "true"
    sums = ", fsum(s) AS s, sum(g) AS g" if money else ""
    rounded = "round({0} * pow(10, {2} - ceil(log10({1})))) / pow(10, {2} - ceil(log10({1})))"
    amounts = (
        f", CASE WHEN g > 0 THEN {rounded.format('s', 'least(g, 1e15)', 15)} ELSE s END AS money"
        f", CASE WHEN s <> 0 THEN {rounded.format('s', 'abs(s)', 10)} ELSE s END AS compared"
    )
    values = "UNION ALL SELECT 3, compared, count(*) FROM d GROUP BY compared" if money else ""
    return f"""WITH c AS MATERIALIZED (SELECT {customer} AS k, max(ts) FILTER ({is_purchase}) AS ts, max(last) AS last,
        count(*) FILTER ({is_purchase}) AS n{sums} FROM ({orders}) GROUP BY k),
      d AS MATERIALIZED (SELECT k, as_of, as_of - CAST(ts AS DATE) AS days, n{amounts if money else ""}
        FROM c, (SELECT CAST(max(last) AS DATE) AS as_of FROM c) WHERE k IS NOT NULL AND n > 0),
      v AS (SELECT 1 AS m, CAST(-days AS DOUBLE) AS x, count(*) AS n FROM d GROUP BY days
        UNION ALL SELECT 2, n, count(*) FROM d WHERE n > 1 GROUP BY n {values}),
      p AS MATERIALIZED (SELECT m, x, 5 - CAST(m = 2 AS INTEGER) AS b, row_number() OVER w AS place, count(*) OVER (PARTITION BY m) AS nv,
        b * (2 * sum(n) OVER w - n) // (2 * sum(n) OVER (PARTITION BY m)) AS s FROM v WINDOW w AS (PARTITION BY m ORDER BY x)),
      l AS (SELECT m, b, nv, s, max(place) AS last FROM p GROUP BY ALL),
      e AS (SELECT m, b, nv, i, coalesce(max(last) FILTER (s < i), 0) AS below FROM l, range(1, 5) AS t(i) WHERE i < b GROUP BY ALL),
      q AS (SELECT m, i, i + (max(greatest(least(below - i, nv - b), 0)) OVER (PARTITION BY m ORDER BY i)
        + min(greatest(least(below - i, nv - b), 0)) OVER (PARTITION BY m ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)) // 2 AS below FROM e),
      cuts AS MATERIALIZED (SELECT list(x) FILTER (p.m = 1) AS rs, list(x) FILTER (p.m = 2) AS fs, list(x) FILTER (p.m = 3) AS ms
        FROM q JOIN p ON p.m = q.m AND place = below + 1),
      f AS (SELECT *, 1 + len(list_filter(rs, lambda x: x <= -days)) AS r, CASE WHEN n = 1 THEN 1 ELSE 2 + len(list_filter(fs, lambda x: x <= n)) END AS f,
        {"1 + len(list_filter(ms, lambda x: x <= compared))" if money else "NULL"} AS m FROM d, cuts)
      SELECT k, days, n, {"money" if money else "NULL::DOUBLE AS money"}, r, f, m, concat(r, f, m) AS rfm, footfall.rfm_segment(r, f) AS segment, as_of FROM f"""


def repeated(days, customer):
    return f"""SELECT buyers, again, again / buyers, n / buyers, q[1], q[2], q[3], q[4], q[5]
      FROM (SELECT count(*) FILTER (nth = 1) AS buyers, count(*) FILTER (nth = 2) AS again, count(*) AS n, quantile_cont(gap, [0.1, 0.25, 0.5, 0.75, 0.9]) AS q
        FROM (SELECT day - lag(day) OVER w AS gap, row_number() OVER w AS nth FROM ({days}) WINDOW w AS (PARTITION BY {customer} ORDER BY day)))"""


def retained(slots, customer, first_day):
    return f"""WITH s AS MATERIALIZED ({slots}), f AS MATERIALIZED (SELECT {customer}, min(slot) AS first FROM s GROUP BY {customer}),
        n AS (SELECT first, count(*) AS members FROM f GROUP BY first),
        b AS (SELECT first, slot - first AS distance, count(*) AS users FROM s JOIN f USING ({customer}) GROUP BY ALL),
        g AS (SELECT first, members, unnest(range((SELECT max(slot) FROM s) - first + 1)) AS distance FROM n)
      SELECT {first_day} AS cohort, CAST(g.distance AS INTEGER) AS period, coalesce(users, 0) AS users, coalesce(users, 0) / members AS share, members
      FROM g LEFT JOIN b ON b.first = g.first AND b.distance = g.distance ORDER BY g.first, g.distance"""


def busy_hours(counts, n_days):
    return f"""WITH {counts} SELECT hours.bucket, coalesce(n, 0) AS n, coalesce(users, 0) AS users, coalesce(buys, 0) AS buys, n / days AS rate, buys / days AS buy_rate,
        round(rate / avg(rate) OVER (), 12) AS index, bar(rate, 0, max(rate) OVER (), 26), bar(buy_rate, 0, max(buy_rate) OVER (), 26)
      FROM range(24) AS hours(bucket) LEFT JOIN counts ON counts.bucket = hours.bucket, {n_days} ORDER BY hours.bucket"""


def converted(top):
    """With `top` the users are counted in the groups that are shown; without, events and users in one pass."""
    tail = """viewers, buyers, buys / nullif(views, 0), buyers / nullif(viewers, 0), n_both, n_both / nullif(viewers, 0),
      footfall.wilson_interval(n_both, nullif(viewers, 0)).low, footfall.wilson_interval(n_both, nullif(viewers, 0)).high"""
    if top:
        return f"""WITH g AS MATERIALIZED (SELECT category_id, count(*) FILTER (action = 'pv') AS views, count(*) FILTER (action = 'cart') AS carts,
            count(*) FILTER (action = 'fav') AS favs, count(*) FILTER (action = 'buy') AS buys
            FROM events WHERE category_id IS NOT NULL GROUP BY category_id ORDER BY buys DESC, views DESC, category_id LIMIT {top}),
          u AS (SELECT category_id, user_id, bool_or(action = 'pv') AS v, bool_or(action = 'buy') AS b FROM events
            WHERE action IN ('pv', 'buy') AND user_id IS NOT NULL AND category_id IN (SELECT category_id FROM g) GROUP BY ALL),
          k AS (SELECT category_id, count(*) FILTER (v) AS viewers, count(*) FILTER (b) AS buyers, count(*) FILTER (v AND b) AS n_both FROM u GROUP BY category_id)
          SELECT category_id, views, carts, favs, buys, {tail} FROM g JOIN k USING (category_id) ORDER BY buys DESC, views DESC, category_id"""
    return f"""WITH u AS (SELECT category_id, user_id, count(*) FILTER (action = 'pv') AS v, count(*) FILTER (action = 'cart') AS c,
          count(*) FILTER (action = 'fav') AS f, count(*) FILTER (action = 'buy') AS b FROM events WHERE category_id IS NOT NULL GROUP BY ALL),
        k AS (SELECT category_id, sum(v) AS views, sum(c) AS carts, sum(f) AS favs, sum(b) AS buys, count(user_id) FILTER (v > 0) AS viewers,
          count(user_id) FILTER (b > 0) AS buyers, count(user_id) FILTER (v > 0 AND b > 0) AS n_both FROM u GROUP BY category_id)
        SELECT category_id, views, carts, favs, buys, {tail} FROM k ORDER BY buys DESC, views DESC, category_id"""


ACTIVITY = "bucket, events, users, purchases, events_per_day, purchases_per_day, round(activity_index, 12), chart, purchase_chart"
FUNNEL = "step, users, epoch_us(median_time_from_previous), users_in_any_order"
SEQUENCES = "user_id, times, list_sort(list_zip(times, actions))"
HOURS = "counts AS (SELECT hour(ts) AS bucket, count(*) AS n, count(DISTINCT user_id) AS users, count(*) FILTER (action = 'buy') AS buys"
# The orders among the lines of a shop: a line without a number belongs to those of its time. A purchase adds up to more than rounding.
LINES = f"""(SELECT *, CASE WHEN trim(invoice) <> '' THEN invoice END AS number FROM retail WHERE {FINITE})"""
ONE_ORDER = "customer, number, CASE WHEN number IS NULL THEN ts END"
RETAIL = f"SELECT customer, min(ts) AS ts, max(ts) AS last, fsum(amount) AS s, sum(abs(amount)) AS g FROM {LINES} GROUP BY {ONE_ORDER}"
RETAIL_DAYS = f"""SELECT customer, CAST(min(ts) AS DATE) AS day FROM {LINES} WHERE customer IS NOT NULL
  GROUP BY {ONE_ORDER} HAVING fsum(amount) > 5e-15 * sum(abs(amount))"""
KEPT = f"WITH kept AS NOT MATERIALIZED (FROM events WHERE {PERIOD})"
BUYS = "WITH buys AS NOT MATERIALIZED (FROM events WHERE action = 'buy')"

VISITS = f"""marked AS (SELECT user_id, action, ts, ts - lag(ts) OVER w > INTERVAL 30 MINUTES IS NOT false AS is_new, lag(action) OVER w AS before
    FROM events WHERE user_id IS NOT NULL AND {FINITE} WINDOW w AS (PARTITION BY user_id ORDER BY ts))"""

# name: (macro, best hand-written SQL found for the same numbers, the columns of the macro's result that must equal those of the
# hand-written one, or two lists of columns, or None)
QUERIES = {
    "clean_events": (
        f"FROM footfall.clean_events(events, user_id, item_id, category_id, action, ts, valid_from := DATE '{FROM}', valid_until := DATE '{UNTIL}')",
        f"SELECT DISTINCT user_id, item_id, category_id, action, ts FROM events WHERE {GOOD}",
        "*",
    ),
    # Copies of a row share its user and time, so whole rows are compared only where these are shared.
    "cleaning_report": (
        f"FROM footfall.cleaning_report(events, user_id, item_id, category_id, action, ts, valid_from := DATE '{FROM}', valid_until := DATE '{UNTIL}')",
        f"""WITH p AS MATERIALIZED (SELECT CASE WHEN user_id IS NULL OR action IS NULL OR ts IS NULL THEN 2 WHEN action NOT IN ('pv', 'cart', 'fav', 'buy') THEN 3
              WHEN ts < DATE '{FROM}' THEN 4 WHEN ts >= DATE '{UNTIL}' THEN 5 ELSE 1 END AS place, action, count(*) AS n, count(user_id) AS n_users,
              count(action) AS n_actions, count(ts) AS n_times, min(ts) AS first, max(ts) AS last,
              count_if(epoch_us(ts) % 1000000 <> 0) AS parts, count_if(epoch_us(ts) % 60000000 <> 0) AS seconds,
              count_if(epoch_us(ts) % 3600000000 <> 0) AS minutes, count_if(epoch_us(ts) % 86400000000 <> 0) AS hours FROM events GROUP BY ALL),
            shared AS (SELECT user_id, ts FROM events WHERE {GOOD} GROUP BY user_id, ts HAVING count(*) > 1),
            d AS (SELECT user_id, ts, count(*) AS n FROM events JOIN shared USING (user_id, ts) WHERE {GOOD} GROUP BY user_id, item_id, category_id, action, ts),
            t AS MATERIALIZED (SELECT sum(n) - sum(k) AS copies, sum(k) FILTER (k > 1) AS tied FROM (SELECT sum(n) AS n, count(*) AS k FROM d GROUP BY user_id, ts)),
            r AS (SELECT place, sum(n) AS n, sum(n_users) AS n_users, sum(n_actions) AS n_actions, sum(n_times) AS n_times, min(first) AS first, max(last) AS last,
              CASE WHEN sum(parts) > 0 THEN 'fraction of a second' WHEN sum(seconds) > 0 THEN 'second' WHEN sum(minutes) > 0 THEN 'minute' WHEN sum(hours) > 0 THEN 'hour' ELSE 'day' END AS unit,
              string_agg('''' || action || ''' ' || n, ', ' ORDER BY n DESC) AS names FROM p GROUP BY place)
            SELECT reason, CAST(coalesce(CASE s.place WHEN 1 THEN n - copies WHEN 6 THEN copies ELSE n END, 0) AS BIGINT) AS n_rows, CASE s.place
              WHEN 1 THEN 'times to the ' || unit || '; ' || round(100 * (tied / (n - copies)), 2) || ' % of the events share user and time with another'
              WHEN 2 THEN 'without a user ' || n - n_users || ', an action ' || n - n_actions || ', a time ' || n - n_times
              WHEN 3 THEN names WHEN 4 THEN 'the earliest ' || first WHEN 5 THEN 'the latest ' || last END AS note
            FROM (VALUES (1, 'kept'), (2, 'null_key'), (3, 'unknown_action'), (4, 'before_range'), (5, 'after_range'), (6, 'duplicate')) AS s(place, reason)
            LEFT JOIN r USING (place), t ORDER BY s.place""",
        "*",
    ),
    # Times that are decades off are in the events, so the days are those of the period.
    "activity": (
        f"FROM footfall.activity(events, user_id, action, ts, period_from := DATE '{FROM}', period_until := DATE '{UNTIL}')",
        busy_hours(f"{HOURS} FROM events WHERE {PERIOD} GROUP BY bucket)", "(SELECT 9 AS days)"),
        ACTIVITY,
    ),
    # The days are those from the first event to the last, and a gap of more than a year is an error.
    "activity, days": (
        f"{KEPT} FROM footfall.activity(kept, user_id, action, ts)",
        busy_hours(
            f"{HOURS} FROM events WHERE {PERIOD} GROUP BY bucket), dates AS (SELECT DISTINCT CAST(ts AS DATE) AS day FROM events WHERE {PERIOD})",
            """(SELECT CASE WHEN max(gap) > 367 THEN error('a gap') ELSE max(day) - min(day) + 1 END AS days
              FROM (SELECT day, day - lag(day) OVER (ORDER BY day) AS gap FROM dates))""",
        ),
        ACTIVITY,
    ),
    # Who purchased before the period is no first-time buyer.
    "promotion_effect": (
        f"""FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04',
             period_from := DATE '{FROM}', period_until := DATE '{UNTIL}')""",
        f"""WITH g AS MATERIALIZED (SELECT action, CAST(ts AS DATE) AS d, user_id, count(*) AS n FROM events
             WHERE ts < DATE '{UNTIL}' AND CASE WHEN ts >= DATE '{FROM}' THEN true ELSE action = 'buy' END GROUP BY ALL),
           w AS MATERIALIZED (SELECT CAST(d AS DATE) AS d, d >= DATE '2017-12-02' AS i, CASE WHEN i THEN 1 ELSE 0 END AS wi,
             CASE WHEN d < DATE '2017-11-27' THEN 1 ELSE 0 END AS wo FROM range(DATE '{FROM}', DATE '{UNTIL}', INTERVAL 1 DAY) AS days(d)),
           ua AS MATERIALIZED (SELECT action, user_id, sum(n * wi) AS x, sum(n * wo) AS y, sum(wi) AS dx, sum(wo) AS dy,
             sum(n) FILTER (NOT i) AS ao FROM g JOIN w USING (d) GROUP BY action, user_id),
           t AS MATERIALIZED (SELECT action, sum(x) AS x, sum(y) AS y, sum(dx) AS dx, sum(dy) AS dy, sum(ao) AS ao FROM ua GROUP BY action),
           us AS MATERIALIZED (SELECT user_id, sum(wi) AS a, sum(wo) AS v, bool_or(i) AS inside,
             count(DISTINCT (DATE '2017-12-01' - d) // 2) FILTER (d BETWEEN DATE '2017-11-26' AND DATE '2017-12-01') AS k
             FROM (SELECT DISTINCT user_id, d FROM g WHERE d >= DATE '{FROM}') JOIN w USING (d) GROUP BY user_id),
           s AS MATERIALIZED (SELECT sum(a) AS a, sum(v) AS v, count(*) AS n, avg(CAST(inside AS INTEGER)) AS si, avg(k) / 3 AS so FROM us),
           q AS MATERIALIZED (SELECT user_id, us.a / s.a - us.v / s.v AS q FROM us, s),
           e AS (SELECT action, sum((ua.x / t.x - ua.y / t.y) ** 2) AS pp, sum((ua.x / t.x - ua.y / t.y) * q) AS pq
             FROM ua JOIN t USING (action) JOIN q USING (user_id) GROUP BY action),
           b AS (SELECT count(*) AS nb, count(*) FILTER (f >= DATE '2017-12-02') AS nf
             FROM (SELECT min(d) AS f, max(d) AS l FROM g WHERE action = 'buy' GROUP BY user_id) WHERE l >= DATE '2017-12-02')
           SELECT action, x, y, round(x / y, 12) AS lift, round(a / v, 12) AS users_lift, round((x / a) / (y / v), 12) AS per_user,
             round(x / y * sqrt(pp * n / (n - 1)), 12) AS se, round((x / a) / (y / v) * sqrt((pp - 2 * pq + (SELECT sum(q ** 2) FROM q)) * n / (n - 1)), 12) AS se_per_user,
             round((x / 2) / (ao / 7), 12) AS all_days, dx / 2, dy / 2, nb, nf, round(si, 12), round(so, 12)
           FROM t JOIN e USING (action), s, b ORDER BY x + ao DESC""",
        """action, events_inside, events_outside, round(lift, 12), round(users_lift, 12), round(actions_per_user_lift, 12), round(lift_standard_error, 12),
           round(actions_per_user_lift_standard_error, 12), round(lift_all_days, 12), users_per_day_inside,
           users_per_day_outside, buyers_inside, first_time_buyers_inside, round(share_active_inside, 12), round(share_active_outside, 12)""",
    ),
    "conversion": ("FROM footfall.conversion(events, user_id, category_id, action)", converted(20), "*"),
    "conversion, all": ("FROM footfall.conversion(events, user_id, category_id, action, top := NULL)", converted(None), "*"),
    "funnel": (
        "FROM footfall.funnel(events, user_id, action, ts)",
        """WITH s1 AS (SELECT user_id, min(ts) AS t FROM events WHERE action = 'pv' GROUP BY user_id),
           s2 AS (SELECT user_id, min(ts) AS t, epoch_us(min(ts)) - epoch_us(any_value(s1.t)) AS d FROM events JOIN s1 USING (user_id)
             WHERE action = 'cart' AND ts >= s1.t GROUP BY user_id),
           s3 AS (SELECT user_id, epoch_us(min(ts)) - epoch_us(any_value(s2.t)) AS d FROM events JOIN s2 USING (user_id)
             WHERE action = 'buy' AND ts >= s2.t GROUP BY user_id)
           SELECT 1, count(*), NULL::BIGINT, count(*) FROM s1
           UNION ALL SELECT 2, count(*), CAST(median(d) AS BIGINT), (SELECT count(DISTINCT user_id) FROM events WHERE action = 'cart') FROM s2
           UNION ALL SELECT 3, count(*), CAST(median(d) AS BIGINT), (SELECT count(DISTINCT user_id) FROM events WHERE action = 'buy') FROM s3""",
        FUNNEL,
    ),
    "funnel, 1 day": (
        "FROM footfall.funnel(events, user_id, action, ts, within := INTERVAL 1 DAY)",
        """WITH s1 AS (SELECT user_id, ts AS t, ts AS f FROM events WHERE action = 'pv'),
           s2 AS (SELECT e.user_id, e.ts AS t, s1.f FROM (FROM events WHERE action = 'cart') e ASOF JOIN s1 ON e.user_id = s1.user_id AND e.ts >= s1.t WHERE e.ts <= s1.f + INTERVAL 1 DAY),
           s3 AS (SELECT e.user_id, e.ts AS t, s2.f FROM (FROM events WHERE action = 'buy') e ASOF JOIN s2 ON e.user_id = s2.user_id AND e.ts >= s2.t WHERE e.ts <= s2.f + INTERVAL 1 DAY),
           r AS (SELECT user_id, 1 AS step, min(t) AS t FROM s1 GROUP BY user_id UNION ALL SELECT user_id, 2, min(t) FROM s2 GROUP BY user_id
             UNION ALL SELECT user_id, 3, min(t) FROM s3 GROUP BY user_id),
           far AS (SELECT user_id, max(step) AS n, max_by(t, step) AS done FROM r GROUP BY user_id),
           c1 AS (SELECT user_id, min(ts) AS t1, any_value(n) AS n, any_value(done) AS done FROM events JOIN far USING (user_id)
             WHERE n > 1 AND action = 'pv' AND ts + INTERVAL 1 DAY >= done GROUP BY user_id),
           c2 AS (SELECT user_id, min(ts) AS t2, any_value(t1) AS t1, any_value(n) AS n, any_value(done) AS done FROM events JOIN c1 USING (user_id)
             WHERE action = 'cart' AND ts >= t1 GROUP BY user_id),
           k AS (SELECT count(*) AS n2, count(*) FILTER (n = 3) AS n3, CAST(median(epoch_us(t2) - epoch_us(t1)) AS BIGINT) AS m2,
             CAST(median(epoch_us(done) - epoch_us(t2)) FILTER (n = 3) AS BIGINT) AS m3 FROM c2)
           SELECT 1, count(*), NULL::BIGINT, count(*) FROM far
           UNION ALL SELECT 2, n2, m2, (SELECT count(DISTINCT user_id) FROM events WHERE action = 'cart') FROM k
           UNION ALL SELECT 3, n3, m3, (SELECT count(DISTINCT user_id) FROM events WHERE action = 'buy') FROM k""",
        FUNNEL,
    ),
    "rfm": (
        f"{BUYS} FROM footfall.rfm(buys, user_id, ts)",
        scored(f"SELECT user_id, ts, ts AS last FROM (SELECT DISTINCT user_id, ts FROM events WHERE action = 'buy' AND {FINITE})", "user_id"),
        "*",
    ),
    "rfm, all rows": (
        "FROM footfall.rfm(events, user_id, ts)",
        scored(f"SELECT user_id, ts, ts AS last FROM (SELECT DISTINCT user_id, ts FROM events WHERE {FINITE})", "user_id"),
        "*",
    ),
    # The category stands for the number of the order, and the item for money.
    "rfm, money": (
        "FROM footfall.rfm(events, user_id, ts, amount := item_id, order_id := category_id)",
        scored(
            f"""SELECT user_id, min(ts) AS ts, max(ts) AS last, fsum(item_id) AS s, sum(abs(CAST(item_id AS DOUBLE))) AS g FROM events WHERE {FINITE}
              GROUP BY user_id, category_id""",
            "user_id",
            money=True,
        ),
        "*",
    ),
    "rfm, lines": ("FROM footfall.rfm(retail, customer, ts, amount := amount, order_id := invoice)", scored(RETAIL, "customer", money=True), "*"),
    "repeat_purchase": (
        "FROM footfall.repeat_purchase(events, user_id, ts)",
        repeated(f"SELECT DISTINCT user_id, CAST(ts AS DATE) AS day FROM events WHERE user_id IS NOT NULL AND {FINITE}", "user_id"),
        "*",
    ),
    "repeat, lines": (
        "FROM footfall.repeat_purchase(retail, customer, ts, amount := amount, order_id := invoice)",
        repeated(f"SELECT DISTINCT customer, day FROM ({RETAIL_DAYS})", "customer"),
        "*",
    ),
    "cohorts": (
        f"{KEPT} FROM footfall.cohorts(kept, user_id, ts, period := 'day')",
        retained(
            f"SELECT DISTINCT user_id, CAST(ts AS DATE) - DATE '1970-01-01' AS slot FROM events WHERE {PERIOD} AND user_id IS NOT NULL",
            "user_id",
            "DATE '1970-01-01' + CAST(g.first AS INTEGER)",
        ),
        "*",
    ),
    "cohorts, lines": (
        "FROM footfall.cohorts(retail, customer, ts, period := 'month', amount := amount, order_id := invoice)",
        retained(
            f"SELECT DISTINCT customer, 12 * year(day) + month(day) - 1 AS slot FROM ({RETAIL_DAYS})", "customer", "make_date(g.first // 12, g.first % 12 + 1, 1)"
        ),
        "*",
    ),
    "time_features": (
        "SELECT f.* FROM (SELECT time_features(ts) AS f FROM events)",
        """SELECT CAST(ts AS DATE) AS date, hour(ts), isodow(ts), dayname(ts), day(ts), week(ts), month(ts), isodow(ts) >= 6,
             sin(hour(ts) * pi() / 12), cos(hour(ts) * pi() / 12), sin((isodow(ts) - 1) * pi() / 3.5), cos((isodow(ts) - 1) * pi() / 3.5)
           FROM events""",
        None,
    ),
    # By hand what is tied is shuffled as well, though another way, and not counted; so actions of one time are compared in order of their names.
    "sequences": (
        "FROM footfall.sequences(events, user_id, action, ts)",
        """SELECT user_id, [x.action FOR x IN l] AS actions, [x.ts FOR x IN l] AS times
           FROM (SELECT user_id, list_sort(list({'ts': ts, 'shuffle': hash(user_id, ts, n), 'action': action})) AS l
             FROM (SELECT *, row_number() OVER () AS n FROM events) GROUP BY user_id)""",
        (SEQUENCES, SEQUENCES),
    ),
    "sequences, ties": (
        "FROM footfall.sequences(events, user_id, action, ts, tie_break := item_id)",
        """SELECT user_id, [x.action FOR x IN l] AS actions, [x.ts FOR x IN l] AS times
           FROM (SELECT user_id, list_sort(list({'ts': ts, 'tie': item_id, 'shuffle': hash(user_id, ts, n), 'action': action})) AS l
             FROM (SELECT *, row_number() OVER () AS n FROM events) GROUP BY user_id)""",
        (SEQUENCES, SEQUENCES),
    ),
    "sessions": (
        "FROM footfall.sessions(events, user_id, ts, action := action)",
        f"""WITH {VISITS}, n AS (SELECT *, count(*) FILTER (is_new) OVER (PARTITION BY user_id ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session FROM marked)
           SELECT user_id, session, min(ts) AS session_start, max(ts) AS session_end, count(*) AS events, count(*) FILTER (action = 'buy') AS purchases FROM n GROUP BY ALL""",
        "* EXCLUDE (first, last)",
    ),
    # Ties are ordered otherwise by hand, so only how many ways there are is compared.
    "paths": (
        "FROM footfall.paths(events, user_id, action, ts)",
        f"""WITH {VISITS}, n AS (SELECT *, count(*) FILTER (is_new) OVER (PARTITION BY user_id ORDER BY ts ROWS UNBOUNDED PRECEDING) AS session FROM marked WHERE is_new OR action <> before),
             v AS (SELECT user_id, list({{'ts': ts, 'action': action}} ORDER BY ts) AS l FROM n GROUP BY user_id, session),
             w AS (SELECT user_id, l[:list_position([x.action FOR x IN l], 'buy')] AS l FROM v WHERE list_contains([x.action FOR x IN l], 'buy'))
           SELECT [x.action FOR x IN l] AS path, count(*) AS visits, count(DISTINCT user_id) AS users, visits / sum(count(*)) OVER () AS share, median(l[-1].ts - l[1].ts) AS t
           FROM w GROUP BY path ORDER BY visits DESC, users DESC, path LIMIT 20""",
        None,
    ),
    # By hand without errors.
    "transitions": (
        "FROM footfall.transitions(events, user_id, action, ts)",
        f"""WITH {VISITS} SELECT before, action, count(*) AS n, count(DISTINCT user_id) AS users, n / sum(n) OVER (PARTITION BY before) AS share,
             n * sum(n) OVER () / (sum(n) OVER (PARTITION BY before) * sum(n) OVER (PARTITION BY action)) AS lift
           FROM marked WHERE NOT is_new GROUP BY before, action ORDER BY n DESC""",
        None,
    ),
    "lifecycle": (
        f"{KEPT} FROM footfall.lifecycle(kept, user_id, ts, period := 'day')",
        f"""WITH s AS MATERIALIZED (SELECT DISTINCT user_id, CAST(ts AS DATE) AS slot FROM events WHERE {PERIOD} AND user_id IS NOT NULL),
             b AS (SELECT slot, lag(slot) OVER (PARTITION BY user_id ORDER BY slot) AS before FROM s),
             c AS (SELECT slot, count(*) AS active, count(*) FILTER (before IS NULL) AS new, count(*) FILTER (before = slot - 1) AS returned FROM b GROUP BY slot)
           SELECT slot, active, new, returned, active - new - returned AS resurrected, coalesce(lag(active) OVER (ORDER BY slot), 0) - returned AS dormant,
             sum(new) OVER (ORDER BY slot) - active AS inactive FROM c ORDER BY slot""",
        "period_start, active, new, returned, resurrected, dormant, inactive",
    ),
    # By hand without errors.
    "growth": (
        f"{KEPT} FROM footfall.growth(kept, category_id, ts, period := 'day', user_id := user_id)",
        f"""SELECT category_id, count(*) FILTER (ts < DATE '2017-12-03') AS before, count(*) FILTER (ts >= DATE '2017-12-03') AS after, after / before AS ratio,
             count(DISTINCT user_id) AS users FROM events WHERE ts >= DATE '2017-12-02' AND ts < DATE '{UNTIL}' AND category_id IS NOT NULL AND user_id IS NOT NULL
           GROUP BY category_id ORDER BY abs(after - before) DESC LIMIT 20""",
        None,
    ),
    "bought_together, lines": (
        "FROM footfall.bought_together(retail, invoice, item)",
        """WITH d AS MATERIALIZED (SELECT DISTINCT invoice, item FROM retail WHERE trim(invoice) <> '' AND trim(item) <> ''),
             k AS MATERIALIZED (SELECT invoice, item FROM d WHERE invoice IN (SELECT invoice FROM d GROUP BY invoice HAVING count(*) <= 200)),
             i AS MATERIALIZED (SELECT item, count(*) AS n FROM k GROUP BY item HAVING count(*) >= 20), f AS MATERIALIZED (SELECT invoice, item FROM k JOIN i USING (item)),
             p AS (SELECT a.item AS x, b.item AS y, count(*) AS n FROM f a JOIN f b ON a.invoice = b.invoice AND a.item < b.item GROUP BY ALL HAVING count(*) >= 20)
           SELECT x, y, p.n, p.n * (SELECT count(DISTINCT invoice) FROM k) / (ix.n * iy.n) AS lift FROM p JOIN i ix ON ix.item = x JOIN i iy ON iy.item = y ORDER BY lift DESC""",
        None,
    ),
    "compare_groups": (
        "FROM footfall.compare_groups(events, user_id, user_id % 3, action = 'buy')",
        """SELECT user_id % 3 AS v, count(*) AS users, sum(b) AS total, total / users AS rate
           FROM (SELECT user_id, CAST(max(action = 'buy') AS INTEGER) AS b FROM events WHERE user_id IS NOT NULL GROUP BY user_id) GROUP BY v ORDER BY v""",
        "variant, users, total, value",
    ),
}


def pandas_work(pd, frame):
    keys = ["user_id", "item_id", "category_id", "action", "ts"]
    known, low, high = ["pv", "cart", "fav", "buy"], pd.Timestamp(FROM), pd.Timestamp(UNTIL)

    def clean():
        good = frame.dropna(subset=keys)
        good = good[good["action"].isin(known) & (good["ts"] >= low) & (good["ts"] < high)]
        return good.drop_duplicates(subset=keys)

    def activity():
        hours = frame["ts"].dt.hour
        bought = (frame["action"] == "buy").groupby(hours).sum()
        return frame.groupby(hours)["user_id"].agg(["size", "nunique"]).assign(bought=bought), frame["ts"].dt.normalize().nunique()

    def conversion():
        counts = frame.pivot_table(index="category_id", columns="action", values="user_id", aggfunc="size", fill_value=0)
        best = counts.sort_values("buy", ascending=False).head(20)
        shown = frame[frame["category_id"].isin(best.index)]
        return best, shown.groupby(["category_id", "action"])["user_id"].nunique()

    def funnel():
        first = frame[frame["action"] == "pv"].groupby("user_id")["ts"].min()
        steps = [(len(first), None, None)]
        for action in ("cart", "buy"):
            followers = frame[frame["action"] == action]
            later = followers.join(first.rename("before"), on="user_id", how="inner")
            reached = later[later["ts"] >= later["before"]].groupby("user_id").agg(ts=("ts", "min"), before=("before", "first"))
            steps.append((len(reached), (reached["ts"] - reached["before"]).median(), followers["user_id"].nunique()))
            first = reached["ts"]
        return steps

    def rfm():
        buys = frame[frame["action"] == "buy"].drop_duplicates(["user_id", "ts"])
        c = buys.groupby("user_id")["ts"].agg(["max", "size"])
        days = (buys["ts"].max().normalize() - c["max"].dt.normalize()).dt.days
        half = 0.5 / len(c)
        r = (5 * (days.rank(pct=True, ascending=False) - half)).astype(int) + 1
        again = c["size"][c["size"] > 1]
        f = ((4 * (again.rank(pct=True) - 0.5 / len(again))).astype(int) + 2).reindex(c.index, fill_value=1)
        return c.assign(days=days, r=r, f=f, rf=r.astype(str) + f.astype(str))

    def sequences():
        ordered = frame.sort_values(["user_id", "ts", "action"], kind="stable")
        groups = ordered.groupby("user_id", sort=False)
        return groups["action"].agg(list), groups["ts"].agg(list)

    def sessions():
        ordered = frame.dropna(subset=["user_id"]).sort_values(["user_id", "ts"], kind="stable")
        is_new = ordered.groupby("user_id", sort=False)["ts"].diff().gt(pd.Timedelta(minutes=30)) | (ordered["user_id"] != ordered["user_id"].shift())
        visits = ordered.assign(bought=ordered["action"] == "buy").groupby(is_new.cumsum())
        return visits.agg(user_id=("user_id", "first"), start=("ts", "first"), end=("ts", "last"), events=("ts", "size"), purchases=("bought", "sum"))

    works = {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}
    return works | {"sessions": sessions}


def polars_work(pl, frame):
    c, lazy = pl.col, frame.lazy()
    low, high = pl.lit(FROM).str.to_datetime(), pl.lit(UNTIL).str.to_datetime()
    run = lambda query: query.collect(engine="streaming")

    def clean():
        good = c("action").is_in(["pv", "cart", "fav", "buy"]) & (c("ts") >= low) & (c("ts") < high)
        return run(lazy.drop_nulls().filter(good).unique())

    def activity():
        hours = lazy.group_by(c("ts").dt.hour()).agg(pl.len(), c("user_id").n_unique(), (c("action") == "buy").sum().alias("bought"))
        return run(hours), run(lazy.select(c("ts").dt.date().n_unique()))

    def conversion():
        counts = lazy.group_by("category_id").agg(*[(c("action") == a).sum().alias(a) for a in ("pv", "cart", "fav", "buy")])
        best = counts.sort("buy", descending=True).head(20)
        shown = lazy.join(best.select("category_id"), on="category_id", how="semi")
        return run(best), run(shown.group_by("category_id", "action").agg(c("user_id").n_unique()))

    def funnel():
        first = lazy.filter(c("action") == "pv").group_by("user_id").agg(c("ts").min().alias("before"))
        steps = [first.select(pl.len().alias("users"))]
        for action in ("cart", "buy"):
            followers = lazy.filter(c("action") == action)
            later = followers.join(first, on="user_id").filter(c("ts") >= c("before"))
            reached = later.group_by("user_id").agg(c("ts").min(), c("before").first())
            steps.append(reached.select(pl.len().alias("users"), (c("ts") - c("before")).median().alias("time")))
            steps.append(followers.select(c("user_id").n_unique()))
            first = reached.select("user_id", before="ts")
        return pl.collect_all(steps, engine="streaming")

    def rfm():
        buys = lazy.filter(c("action") == "buy").select("user_id", "ts").unique().group_by("user_id").agg(c("ts").max(), pl.len().alias("n"))
        days = (c("ts").dt.date().max() - c("ts").dt.date()).dt.total_days()
        again = pl.when(c("n") > 1).then(c("n"))
        f = ((4 * (again.rank() - 0.5) / again.count()).cast(pl.Int32) + 2).fill_null(1)
        scored = buys.with_columns(days=days, r=(5 * (days.rank(descending=True) - 0.5) / pl.len()).cast(pl.Int32) + 1, f=f)
        return run(scored.with_columns(rf=pl.concat_str("r", "f")))

    def sequences():
        return run(lazy.sort("user_id", "ts", "action").group_by("user_id", maintain_order=True).agg("action", "ts"))

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def spark_work(_, frame):
    from pyspark.sql import Window, functions as f

    c = f.col
    run = lambda query: query.write.format("noop").mode("overwrite").save()
    when = lambda action, value: f.when(c("action") == action, value)

    def clean():
        good = c("action").isin("pv", "cart", "fav", "buy") & (c("ts") >= FROM) & (c("ts") < UNTIL)
        run(frame.dropna().filter(good).dropDuplicates())

    def activity():
        run(frame.groupBy(f.hour("ts")).agg(f.count("*"), f.countDistinct("user_id"), f.count(when("buy", 1))))
        run(frame.select(f.countDistinct(f.to_date("ts"))))

    def conversion():
        counts = [f.count(when(a, 1)).alias(a) for a in ("pv", "cart", "fav", "buy")]
        best = frame.groupBy("category_id").agg(*counts).orderBy(f.desc("buy")).limit(20)
        users = [f.countDistinct(when(a, c("user_id"))) for a in ("pv", "buy")]
        run(frame.join(f.broadcast(best), "category_id").groupBy(*best.columns).agg(*users))

    def funnel():
        first = frame.filter(c("action") == "pv").groupBy("user_id").agg(f.min("ts").alias("before")).cache()
        kept = [first]
        run(first.select(f.count("*")))
        for action in ("cart", "buy"):
            followers = frame.filter(c("action") == action)
            later = followers.join(first, "user_id").filter(c("ts") >= c("before"))
            reached = later.groupBy("user_id").agg(f.min("ts").alias("ts"), f.first("before").alias("before")).cache()
            kept.append(reached)
            run(reached.select(f.count("*"), f.median(f.timestamp_diff("MICROSECOND", "before", "ts"))))
            run(followers.select(f.countDistinct("user_id")))
            first = reached.select("user_id", c("ts").alias("before"))
        for cached in kept:
            cached.unpersist()

    def rfm():
        buyers = frame.filter(c("action") == "buy").select("user_id", "ts").distinct().groupBy("user_id").agg(f.max("ts").alias("last"), f.count("*").alias("n"))
        newest = frame.filter(c("action") == "buy").agg(f.max(f.to_date("ts")).alias("newest"))
        days = buyers.crossJoin(f.broadcast(newest)).withColumn("days", f.datediff("newest", "last"))
        score = lambda scores, window: (scores * (f.cume_dist().over(window) + f.percent_rank().over(window)) / 2).cast("int")
        scored = days.withColumn("r", 1 + score(5, Window.orderBy(f.desc("days"))))
        again = Window.partitionBy(c("n") > 1).orderBy("n")
        scored = scored.withColumn("f", f.when(c("n") == 1, 1).otherwise(2 + score(4, again)))
        run(scored.withColumn("rf", f.concat("r", "f")))

    def sequences():
        events = frame.groupBy("user_id").agg(f.sort_array(f.collect_list(f.struct("ts", "action"))).alias("events"))
        run(events.select("user_id", c("events.action"), c("events.ts")))

    return {"clean_events": clean, "activity": activity, "conversion": conversion, "funnel": funnel, "rfm": rfm, "sequences": sequences}


def spark_frame(threads, path):
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{threads}]").config("spark.driver.memory", "12g")
    # The 200 parts of a shuffle are meant for clusters.
    builder = builder.config("spark.sql.shuffle.partitions", 2 * threads)
    builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    session = builder.config("spark.sql.session.timeZone", "UTC").config("spark.log.level", "ERROR").getOrCreate()
    frame = session.read.parquet(os.path.abspath(path)).select("user_id", "item_id", "category_id", "action", "ts").cache()
    frame.count()
    return frame


PEERS = {"pandas": pandas_work, "polars": polars_work, "pyspark": spark_work}


def resident(key):
    """A line of /proc/self/status in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1000


def measure(works, repeat, too_much):
    """Per work the least wall and CPU seconds and the greatest peak of resident memory in MB; the works take turns.

    A work that raises `too_much` has infinite times."""
    best = {name: (float("inf"), float("inf"), 0) for name in works}
    for turn in range(repeat):
        for name, work in list(works.items())[:: -1 if turn % 2 else 1]:
            with open("/proc/self/clear_refs", "w") as forget:
                forget.write("5")
            usage, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
            try:
                work()
            except too_much as error:
                print(f"{name}: {str(error).splitlines()[0]}")
                continue
            wall = time.perf_counter() - start
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
            wall, cpu = min(best[name][0], wall), min(best[name][1], cpu)
            best[name] = wall, cpu, max(best[name][2], resident("VmHWM"))
    return best


def different(connection, macro_columns, hand_columns):
    """How many rows are in one of the two results and not in the other."""
    macro, hand = f"SELECT {macro_columns} FROM macro_result", f"SELECT {hand_columns} FROM hand_result"
    sides = [f"SELECT count(*) FROM ({a} EXCEPT ALL {b})" for a, b in ((macro, hand), (hand, macro))]
    return connection.execute(f"SELECT ({sides[0]}) + ({sides[1]})").fetchone()[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--duckdb", required=True, metavar="DIR", help="folder with an unpacked duckdb wheel")
    parser.add_argument("--extension", required=True, metavar="PATH")
    parser.add_argument("--data", metavar="PARQUET")
    parser.add_argument("--rows", type=int, default=1_000_000, help="about how many events to generate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(QUERIES), default=list(QUERIES), metavar="NAME", help=", ".join(QUERIES))
    parser.add_argument("--against", nargs="*", choices=["hand", *PEERS], default=["hand", *PEERS])
    parser.add_argument("--memory-limit", metavar="SIZE", help="of DuckDB, such as 6GB")
    parser.add_argument(
        "--lines", metavar="PARQUET", default=os.path.join(os.environ.get("FOOTFALL_DATA", "../shared/data"), "online_retail_2009_2010.parquet")
    )
    parser.add_argument("--folder", default="build", help="where files are written while this runs")
    arguments = parser.parse_args()

    os.environ["POLARS_MAX_THREADS"] = str(arguments.threads)
    sys.path.insert(0, arguments.duckdb)
    import duckdb

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        config = {"allow_unsigned_extensions": "true", "threads": arguments.threads, "temp_directory": f"{folder}/spilled"}
        if arguments.memory_limit:
            config["memory_limit"] = arguments.memory_limit
        connection = duckdb.connect(f"{folder}/events.duckdb", config=config)
        connection.execute(f"LOAD '{arguments.extension}'")
        path = arguments.data
        if path is None:
            path = f"{folder}/events.parquet"
            users = max(1, arguments.rows // 100)
            connection.execute(f"COPY (FROM footfall.generate_events(users := {users})) TO '{path}'")
        connection.execute(f"CREATE TABLE events AS SELECT user_id, item_id, category_id, action, ts FROM '{path}'")
        only = arguments.only
        if os.path.exists(arguments.lines):
            connection.execute(
                f"""CREATE TABLE retail AS SELECT customer_id + 20000 * x AS customer, invoice_no || '-' || x AS invoice, stock_code AS item, invoice_ts AS ts,
                  quantity * unit_price AS amount FROM '{arguments.lines}', range(10) AS t(x)"""
            )
        else:
            only = [name for name in only if "lines" not in name]
        connection.execute("CHECKPOINT")
        (n_rows,) = connection.execute("SELECT count(*) FROM events").fetchone()
        limit = f", memory_limit {arguments.memory_limit}" if arguments.memory_limit else ""
        print(f"{n_rows:,} events, DuckDB {duckdb.__version__} with {arguments.threads} threads{limit}, best of {arguments.repeat}")
        peers = {}
        for peer, work in PEERS.items():
            if peer not in arguments.against:
                continue
            try:
                module = __import__(peer)
                if peer == "pyspark":
                    frame = spark_frame(arguments.threads, path)
                elif peer == "pandas":
                    frame = connection.execute("FROM events").df()
                else:
                    frame = module.read_parquet(path)
            except (ImportError, RuntimeError) as missing:
                print(f"{peer} left out: {missing}")
                continue
            peers[peer] = work(module, frame)
            n_threads = {"pandas": 1, "pyspark": arguments.threads}.get(peer) or module.thread_pool_size()
            print(f"{peer} {module.__version__}, threads: {n_threads}")

        contenders = ["macro"] + [name for name in ("hand",) if name in arguments.against] + list(peers)
        print(f"\n{'wall s (CPU s)':<16}" + "".join(f"{name:>26}" for name in contenders), flush=True)
        for name in only:
            macro, hand, compared = QUERIES[name]
            works = {
                k: (lambda k=k, sql=sql: connection.execute(f"CREATE OR REPLACE TEMP TABLE {k}_result AS {sql}"))
                for k, sql in (("macro", macro), ("hand", hand))
                if k in contenders
            }
            works |= {peer: functions[name] for peer, functions in peers.items() if name in functions}
            best = measure(works, arguments.repeat, duckdb.OutOfMemoryException)
            cells = []
            for k in contenders:
                if k not in best:
                    cells.append("")
                    continue
                wall, cpu, peak = best[k]
                ratio = "" if k == "macro" else f" {wall / best['macro'][0]:.2f}x"
                ratio += "" if k in ("macro", "pyspark") else f" ({cpu / best['macro'][1]:.2f}x)"
                memory = f" {peak:,.0f} MB" if arguments.memory_limit else ""
                cpu = "" if k == "pyspark" else f" ({cpu:.2f})"
                cells.append(f"{wall:.2f}{cpu}{ratio}{memory}")
            print(f"{name:<16}" + "".join(f"{cell:>26}" for cell in cells), flush=True)
            if "hand" in contenders and compared is not None and not arguments.memory_limit:
                n_different = different(connection, *((compared, "*") if isinstance(compared, str) else compared))
                if n_different:
                    print(f"{name}: {n_different} rows of the macro and the hand-written SQL differ")
            connection.execute("DROP TABLE IF EXISTS macro_result")
            connection.execute("DROP TABLE IF EXISTS hand_result")


if __name__ == "__main__":
    main()
