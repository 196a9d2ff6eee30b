"""Every number in a headline of a study is found again by plain SQL on the same events.

Three kinds of data: the synthetic shop, recorded clicks of nine days, and recorded orders of a year with money (weeks and months,
hours in which the shop is closed). The recorded ones lie where FOOTFALL_DATA says, and are skipped where they are not. What a
headline says of promotions' intervals and of RFM scores is looked for in the rows of the report, which other tests hold against other sources.
"""

import math
import os
import re
import unittest
from pathlib import Path

from client import connect

DATA = Path(os.environ.get("FOOTFALL_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
NUMBER = re.compile(r"×?\d+(?:,\d{3})*(?:\.\d+)?(?::00| %)?")
SYNTHETIC = """
    SELECT user_id, category_id, action, ts, NULL::DOUBLE AS price, NULL::VARCHAR AS order_id
    FROM footfall.generate_events(users := 400, days := 9, seed := 11) WHERE ts >= DATE '2017-11-25' AND ts < DATE '2017-12-04'
"""
CLICKS = f"""
    SELECT user_id, category_id, behavior_type AS action, make_timestamp(ts * 1000000) + INTERVAL 8 HOURS AS ts, NULL::DOUBLE AS price, NULL::VARCHAR AS order_id
    FROM '{DATA}/taobao_userbehavior_users.parquet'
    WHERE make_timestamp(ts * 1000000) + INTERVAL 8 HOURS >= DATE '2017-11-25' AND make_timestamp(ts * 1000000) + INTERVAL 8 HOURS < DATE '2017-12-04'
"""
ORDERS = f"""
    SELECT customer_id AS user_id, country AS category_id, 'buy' AS action, invoice_ts AS ts, quantity * unit_price AS price, invoice_no AS order_id
    FROM '{DATA}/online_retail_2009_2010.parquet' WHERE customer_id IS NOT NULL
"""
PROMOTED = "promotion_from := DATE '2017-12-02', promotion_until := DATE '2017-12-04'"


def share(of):
    """A share of 1 as headlines say it."""
    if 0 < of < 0.0005:
        return "under 0.1 %"
    if 0.995 <= of < 1:
        return "over 99 %"
    return f"{100 * of:.1f} %" if of != 0 and abs(of) < 0.0995 else f"{100 * of:.0f} %"


def wilson(hits, n, z=1.959963984540054):
    """Wilson, 1927: the interval of a share."""
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return max(middle - half, 0), min(middle + half, 1)


class Truth(unittest.TestCase):
    """The same questions to each data set."""

    def study(self, events, options, period):
        connection = connect()
        self.addCleanup(connection.close)
        self.rows = lambda sql: connection.execute(sql).fetchall()
        connection.execute(f"CREATE TABLE events AS {events}")
        charts = self.rows(f"SELECT chart.name, chart.headline FROM footfall.study(events, user_id, category_id, action, ts, {options})")
        self.headlines = dict(charts)
        self.period = period
        # Days, weeks or months, numbered.
        self.slot = {"day": "date_diff('day', DATE '2000-01-03', ts)", "week": "date_diff('week', DATE '2000-01-03', ts)", "month": "date_diff('month', DATE '2000-01-01', ts)"}[period]

    def says(self, name, expected):
        headline = self.headlines[name]
        found = [number.lstrip("0") for number in NUMBER.findall(headline)]
        wanted = [number.lstrip("0") for text in expected for number in NUMBER.findall(text)]
        self.assertEqual(found, wanted, headline)

    def activity(self):
        hours = dict(self.rows("SELECT hour(ts), count(*) FROM events GROUP BY ALL"))
        shown = {hour: hours.get(hour, 0) for hour in range(min(hours), max(hours) + 1)}
        busiest = min(shown, key=lambda hour: (-shown[hour], hour))
        quietest = min(shown, key=lambda hour: (shown[hour], hour))
        factor = shown[busiest] / (sum(shown.values()) / len(shown))
        self.says("activity", [f"{busiest:02d}:00", f"{factor:.1f}", f"{quietest:02d}:00"])

    def days(self, unit, form):
        peaks = [
            self.rows(f"SELECT strftime(date_trunc('{unit}', ts), '{form}') AS d FROM events {where} GROUP BY date_trunc('{unit}', ts) ORDER BY {what} DESC, date_trunc('{unit}', ts) LIMIT 1")[0][0]
            for what, where in [("count(*)", ""), ("count(DISTINCT user_id)", ""), ("count(*)", "WHERE action = 'buy'")]
        ]
        self.says("days", list(dict.fromkeys(peaks)))

    def promotion(self):
        [(inside, outside)] = self.rows(
            "SELECT count(*) FILTER (WHERE ts >= DATE '2017-12-02'), count(*) FILTER (WHERE ts < DATE '2017-12-02') FROM events WHERE action = 'buy' AND isodow(ts) > 5"
        )
        [(users_inside, users_outside)] = self.rows(
            "SELECT count(DISTINCT (user_id, ts::DATE)) FILTER (WHERE ts >= DATE '2017-12-02'), count(DISTINCT (user_id, ts::DATE)) FILTER (WHERE ts < DATE '2017-12-02')"
            " FROM events WHERE isodow(ts) > 5"
        )
        [(low, high)] = self.rows(
            "SELECT lift_low, lift_high FROM footfall.promotion_effect(events, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04') WHERE action = 'buy'"
        )
        lift, users = inside / outside, users_inside / users_outside
        known = {"lift": lift, "users": users, "each": lift / users, "low": low, "high": high}
        headline = self.headlines["promotion"]
        said = [name for name, pattern in [("low", r"\(×"), ("users", "the users,"), ("each", "for each|each active user")] if re.search(pattern, headline)]
        order = ["lift", *(["low", "high"] if "low" in said else []), *(["users"] if "users" in said else []), *(["each"] if "each" in said else [])]
        self.says("promotion", [f"×{known[name]:.2f}" for name in order])

    def conversion(self, view):
        groups = self.rows(
            f"""SELECT count(DISTINCT user_id) FILTER (WHERE saw), count(DISTINCT user_id) FILTER (WHERE saw AND bought), sum(purchases)
            FROM (SELECT category_id, user_id, bool_or(action = '{view}') AS saw, bool_or(action = 'buy') AS bought, count(*) FILTER (WHERE action = 'buy') AS purchases
                FROM events GROUP BY ALL)
            GROUP BY category_id ORDER BY sum(purchases) DESC, CAST(category_id AS VARCHAR) COLLATE "binary" ASC"""
        )
        average = sum(bought for _, bought, _ in groups) / sum(saw for saw, _, _ in groups)
        top = [(saw, bought) for saw, bought, _ in groups if saw > 0][:12]
        ends = [wilson(bought, saw) for saw, bought in top]
        # An end that is the average but for rounding is not off it.
        above, below = sum(low > average + 1e-9 for low, _ in ends), sum(high < average - 1e-9 for _, high in ends)
        if above + below == 0:
            return self.says("conversion", [str(len(top)), share(average)])
        counted = [str(above)] if above > 1 else []
        return self.says("conversion", [str(len(top)), *counted, share(average), *([str(below)] if below else [])])

    def funnel(self):
        rows = self.rows("SELECT user_id, action, ts FROM events ORDER BY user_id, ts")
        histories = {}
        for user, action, moment in rows:
            histories.setdefault(user, {}).setdefault(action, []).append(moment)
        reached = [0, 0, 0]
        for history in histories.values():
            moment = None
            for step, action in enumerate(["pv", "cart", "buy"]):
                moment = next((found for found in history.get(action, []) if moment is None or found >= moment), None)
                if moment is None:
                    break
                reached[step] += 1
        kept = [reached[1] / reached[0], reached[2] / reached[1]]
        worst = kept.index(min(kept))
        self.says("funnel", [f"{reached[worst] - reached[worst + 1]:,}", share(1 - kept[worst]), share(reached[2] / reached[0])])

    def rfm(self, options):
        scored = "footfall.rfm(purchases, user_id, ts, " + options + ")"
        self.rows("CREATE VIEW purchases AS SELECT * FROM events WHERE action = 'buy'")
        [(quiet, champions)] = self.rows(
            f"SELECT count(*) FILTER (WHERE segment IN ('At Risk', 'Can''t Lose')) / count(*), count(*) FILTER (WHERE segment = 'Champions') / count(*) FROM {scored}"
        )
        self.says("rfm", [share(quiet), share(champions)])
        # Money of the customers of each segment, less what they gave back; where there is none, their orders.
        part = "sum(net)" if "price" in options else "sum(orders)"
        segments = self.rows(
            f"""SELECT {part} / sum({part}) OVER (), count(*) / sum(count(*)) OVER ()
            FROM (SELECT customer_id, segment FROM {scored}) JOIN (
                SELECT user_id, sum(price) AS net, count(DISTINCT coalesce(order_id, CAST(ts AS VARCHAR))) AS orders FROM purchases GROUP BY user_id
            ) ON user_id = customer_id
            GROUP BY segment ORDER BY 1 DESC, 2 DESC"""
        )
        self.says("rfm_summary", [share(segments[0][0]), share(segments[0][1])])

    def cohorts(self):
        visits = self.rows(f"SELECT DISTINCT user_id, {self.slot} AS slot FROM events")
        slots = {}
        for user, slot in visits:
            slots.setdefault(user, set()).add(slot)
        last = max(slot for _, slot in visits)

        def back(after):
            cohorts = [slots_of for slots_of in slots.values() if min(slots_of) + after <= last]
            return sum(min(slots_of) + after in slots_of for slots_of in cohorts) / len(cohorts)

        later = min(6, last - min(slot for _, slot in visits))
        self.says("cohorts", [share(back(1)), share(back(later)), str(later)])

    def lifecycle(self):
        slots = {}
        for user, slot in self.rows(f"SELECT DISTINCT user_id, {self.slot} AS slot FROM events"):
            slots.setdefault(slot, set()).add(user)
        # The last period that the data hold to its end.
        [(end,)] = self.rows(f"SELECT max({self.slot}) - CASE WHEN '{self.period}' = 'day' OR max(ts)::DATE = CASE '{self.period}' WHEN 'week' THEN date_trunc('week', max(ts))::DATE + 6 ELSE last_day(max(ts)) END THEN 0 ELSE 1 END FROM events")
        returned, before = len(slots[end] & slots[end - 1]), len(slots[end - 1])
        low, high = wilson(returned, before)
        self.says("lifecycle", [share(returned / before), share(low), share(high)])

    def repeat(self):
        [(again, median)] = self.rows(
            """WITH days AS (
                SELECT DISTINCT user_id, CAST(moment AS DATE) AS day FROM (
                    SELECT user_id, coalesce(order_id, CAST(ts AS VARCHAR)) AS o, min(ts) AS moment FROM events WHERE action = 'buy' GROUP BY ALL HAVING sum(price) > 0 OR sum(price) IS NULL
                )
            ), gaps AS (SELECT user_id, day - lag(day) OVER (PARTITION BY user_id ORDER BY day) AS gap FROM days)
            SELECT count(DISTINCT user_id) FILTER (WHERE gap IS NOT NULL) / count(DISTINCT user_id), median(gap) FROM gaps"""
        )
        self.says("repeat", [share(again), f"{median:.1f}"])

    def clicks(self, events):
        self.study(events, PROMOTED, "day")
        self.activity()
        self.days("day", "%-d %b")
        self.promotion()
        self.conversion("pv")
        self.funnel()
        self.rfm("amount := NULL")
        self.cohorts()
        self.lifecycle()
        self.repeat()

    def test_synthetic_clicks(self):
        self.clicks(SYNTHETIC)

    @unittest.skipUnless(DATA.is_dir(), f"no recorded clicks in {DATA}")
    def test_recorded_clicks(self):
        self.clicks(CLICKS)

    @unittest.skipUnless(DATA.is_dir(), f"no recorded orders in {DATA}")
    def test_recorded_orders(self):
        self.study(ORDERS, "view := 'buy', steps := ['buy'], amount := price, order_id := order_id", "month")
        self.activity()
        self.days("week", "%-d %b %Y")
        self.conversion("buy")
        self.says("funnel", [f"{self.rows('SELECT count(DISTINCT user_id) FROM events')[0][0]:,}"])
        self.rfm("amount := price, order_id := order_id")
        self.cohorts()
        self.lifecycle()
        self.repeat()


if __name__ == "__main__":
    unittest.main()
