"""Each file of sql/recipes/ on a small invented file of the shape it is written for.

The rows are few enough to know the answers by hand; the numbers are in the comments beside them.
"""

import gzip
import tempfile
import unittest
from datetime import timedelta
from pathlib import Path

import duckdb

from client import connect

RECIPES = Path(__file__).resolve().parents[2] / "sql" / "recipes"


class Recipes(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.connection = connect()
        self.addCleanup(self.connection.close)

    def file(self, name, text, variable="file"):
        """Writes an invented file and names it in a variable, as a user does."""
        path = self.folder / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        self.connection.execute(f"SET VARIABLE {variable} = '{path}'")

    def run_recipe(self, name):
        """Runs the statements of a recipe and gives the rows of those that print something."""
        results = []
        for statement in duckdb.extract_statements((RECIPES / f"{name}.sql").read_text()):
            self.connection.execute(statement)
            if statement.type == duckdb.StatementType.SELECT:
                results.append(self.connection.fetchall())
        return results

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def test_every_recipe_has_a_test(self):
        tested = {name.removeprefix("test_recipe_") for name in dir(self) if name.startswith("test_recipe_")}
        self.assertEqual(tested, {path.stem for path in RECIPES.glob("*.sql")})

    def test_recipe_registry(self):
        # A shop in which a cart is followed by a purchase, and later by nothing but looking.
        self.connection.execute("CREATE TABLE events (user_id BIGINT, action VARCHAR, ts TIMESTAMP)")

        def shop(day, after):
            self.connection.execute(f"""
                CREATE OR REPLACE TABLE histories AS
                SELECT u AS user_id, flatten([['pv', 'cart', '{after}'] FOR i IN range(4 + u % 3)]) AS actions FROM range(200) users(u);
                INSERT INTO events
                SELECT user_id, unnest(actions), TIMESTAMP '{day}' + to_minutes(CAST(unnest(range(len(actions))) AS INTEGER)) FROM histories
            """)

        shop("2026-01-01", "buy")
        told, drift, promotions = self.run_recipe("registry")
        # With nobody from before there is nothing to compare, and nothing was told.
        self.assertEqual([row[1] for row in drift], [None] * 3)
        self.assertEqual(told, [])
        self.assertEqual(promotions, [(1, 1, "the first", True)])
        # Nothing has changed, and a model that is no better is kept but not used.
        told, drift, promotions = self.run_recipe("registry")
        self.assertEqual([row[:2] for row in drift], [("n_actions", 0.0), ("last_action", 0.0), ("n_kinds", 0.0)])
        # Those of 12 or 15 actions went before the last one told, those of 18 ended with it: no user has a next one yet.
        self.assertEqual([row[1:3] for row in told], [(0, 200)] * 2)
        self.assertEqual(promotions, [(1, 1, "the first", False)])
        shop("2026-01-03", "pv")
        told, drift, promotions = self.run_recipe("registry")
        self.assertEqual([row[0] for row in drift if row[1] > 100 * row[2]], ["last_action", "n_kinds"])
        # It was told twice that after a purchase they look, and so they did.
        self.assertEqual([row[1:4] for row in told], [(400, 0, 0.0)] * 2)
        self.assertLess(told[0][5], 0.1)
        self.assertEqual([row[:2] for row in promotions], [(1, 1), (2, 3)])
        self.assertRegex(promotions[1][2], r"^log loss 0\.\d{4} instead of \d\.\d{4}, better by \d\.\d{4} with a standard error of 0\.\d{4}$")
        self.assertEqual(self.rows("SELECT count(*), any_value(n_kinds) FROM customers_then WHERE n_kinds = 2"), [(200, 2)])
        self.connection.execute("INSERT INTO promotions SELECT max(step) + 1, 1, 'rolled back' FROM promotions")
        self.assertEqual(self.rows("SELECT version FROM current_model"), [(1,)])

    def test_recipe_live(self):
        # What happens event by event: tests/clients/test_live.py.
        self.assertEqual(self.run_recipe("live"), [[(0, None)]])

    def test_recipe_refresh(self):
        """Three mornings, and the second day once more with an event that came late: as if all had been read at once."""
        # User 1 buys on the first and third day, user 2 on the second; 'wish' is no known action, and one row is there twice.
        days = {
            "2017-12-01": "1,10,100,pv,{day} 09:00:00\n1,10,100,buy,{day} 09:05:00\n1,10,100,buy,{day} 09:05:00\n",
            "2017-12-02": "2,20,100,pv,{day} 10:00:00\n3,20,100,wish,{day} 11:00:00\n",
            "2017-12-03": "1,10,100,pv,{day} 12:00:00\n1,10,100,buy,{day} 12:30:00\n",
        }
        late = days["2017-12-02"] + "2,20,100,buy,{day} 23:59:00\n"
        header = "user_id,item_id,category_id,action,ts\n"
        for day, text in [*days.items(), ("2017-12-02", late)]:
            self.file(f"{day}.csv", header + text.format(day=day))
            self.connection.execute(f"SET VARIABLE day = DATE '{day}'")
            receipt, dates, segments = self.run_recipe("refresh")
        self.assertEqual([row[1] for row in receipt], [6, 0, 1, 0, 0, 1])
        self.assertEqual(dates, [("2017-12-01", 2, 1, 1), ("2017-12-02", 2, 1, 1), ("2017-12-03", 2, 1, 1)])
        self.assertEqual(sum(row[1] for row in segments), 2)
        # The late purchase is one day old; the purchases of user 1 are two, the last of them today.
        self.assertEqual(sorted(row[2:] for row in segments), [(0.0, 2.0), (1.0, 1.0)])
        whole = "(" + " UNION ALL ".join(f"FROM read_csv('{self.folder}/{day}.csv')" for day in days) + ")"
        self.connection.execute(
            f"CREATE TABLE clean AS WITH all_days AS {whole} "
            "FROM footfall.clean_events(all_days, user_id, item_id, category_id, action, ts)"
        )
        promotion = "footfall.{}({}, user_id, action, ts, DATE '2017-12-02', DATE '2017-12-04')"
        self.assertEqual(
            self.rows("FROM " + promotion.format("merged.promotion_effect", "promotion_parts")),
            self.rows("FROM " + promotion.format("promotion_effect", "clean")),
        )

    def test_a_shop_is_refreshed_before_its_first_purchase(self):
        """A shop that opens has a morning, too."""
        self.file("2017-12-01.csv", "user_id,item_id,category_id,action,ts\n1,10,100,pv,2017-12-01 09:00:00\n")
        self.connection.execute("SET VARIABLE day = DATE '2017-12-01'")
        receipt, dates, segments = self.run_recipe("refresh")
        self.assertEqual((receipt[0][1], dates, segments), (1, [("2017-12-01", 1, 1, 0)], []))

    def test_recipe_buckets(self):
        """Two buckets, of which one is read again, are the reports of all events."""
        self.connection.execute("""CREATE TABLE events AS FROM (VALUES
            (1, 10, 100, 'pv', TIMESTAMP '2017-12-01 09:00:00'), (1, 10, 100, 'cart', TIMESTAMP '2017-12-01 09:10:00'),
            (1, 10, 100, 'buy', TIMESTAMP '2017-12-01 09:30:00'), (1, 11, 100, 'buy', TIMESTAMP '2017-12-04 09:00:00'),
            (2, 10, 100, 'pv', TIMESTAMP '2017-12-02 20:00:00'), (2, 10, 100, 'cart', TIMESTAMP '2017-12-02 20:20:00')
        ) AS rows(user_id, item_id, category_id, action, ts)""")
        for bucket in (1, 0, 1):
            path = self.folder / f"{bucket}.parquet"
            self.connection.execute(f"COPY (FROM events WHERE user_id % 2 = {bucket}) TO '{path}' (FORMAT parquet)")
            self.connection.execute(f"SET VARIABLE files = '{path}'; SET VARIABLE bucket = {bucket}")
            hours, categories, funnel, cohorts, repeat = self.run_recipe("buckets")
        # Four days: three events at nine o'clock on the first and one on the fourth, two at eight in the evening.
        self.assertEqual([row for row in hours if row[1]], [("09:00", 4, 1, 1.0), ("20:00", 2, 1, 0.5)])
        self.assertEqual(categories, [(100, 2, 2, 0.5)])
        # Medians of 10 and 20 minutes for the cart, of 20 for the purchase.
        self.assertEqual([(row[2], row[5]) for row in funnel], [(2, None), (2, timedelta(minutes=15)), (1, timedelta(minutes=20))])
        self.assertEqual([row[2] for row in cohorts], [1, 0, 0, 1, 1, 0, 0])
        self.assertEqual(repeat, [(1, 1, 1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0)])

    def test_recipe_charts(self):
        """Own charts stand among ours, and say what the rows say."""
        self.file("events.csv", """user_id,category_id,action,ts,price
1,lamps,pv,2026-03-02 10:00:00,10
1,lamps,buy,2026-03-02 10:05:00,10
2,lamps,pv,2026-03-02 11:00:00,10
2,cups,pv,2026-03-02 11:01:00,4
2,cups,buy,2026-03-02 11:02:00,4
2,cups,buy,2026-03-02 11:03:00,5
3,cups,pv,2026-03-03 09:00:00,4
3,cups,cart,2026-03-03 09:01:00,4
3,cups,buy,2026-03-03 09:02:00,4
4,lamps,pv,2026-03-04 12:00:00,30
4,lamps,buy,2026-03-04 12:01:00,30
4,cups,pv,2026-03-04 12:02:00,4
""")
        charts, lines = self.run_recipe("charts")
        named = {name: (section, headline) for section, name, headline in charts}
        self.assertNotIn("cohorts", named)
        self.assertEqual([name for _, name, _ in charts][3:6], ["funnel", "spent", "weekdays"])
        # Lamps: 10 and 30 of two buyers. Cups: 4, 5 and 4 of two.
        self.assertEqual(named["spent"], ("What converts", "A buyer of lamps spends 20.00 in it; most of the money, 40.00, comes from lamps"))
        # Two of two on Monday and one of one on the other days.
        self.assertEqual(named["weekdays"][1], "No weekday is clearly better for selling than another")
        self.assertRegex(lines[1][0], "^lamps   20 █{26} 2 buyers$")
        [(page, svg)] = self.rows("SELECT CAST(page AS VARCHAR), svg FROM page, weekdays_picture")
        self.assertIn("Our shop", page)
        self.assertRegex(svg, "^<svg [^>]*width=.480.[^$]*</svg>$")

    def test_recipe_retailrocket(self):
        self.file("events.csv", """timestamp,visitorid,event,itemid,transactionid
1433221332117,1,view,10,
1433221392117,1,addtocart,10,
1433221452117,1,transaction,10,7
1433221452117,1,transaction,11,7
1433224214164,2,view,20,
1433224274164,2,addtocart,21,
1433224274164,2,addtocart,21,
""")
        receipt, funnel = self.run_recipe("retailrocket")
        self.assertEqual([row[1] for row in receipt], [6, 0, 0, 0, 0, 1])
        # Visitor 2 viewed one item and put another one into the cart: no step of one item.
        self.assertEqual([row[2] for row in funnel], [2, 1, 1])
        # Two lines of one transaction are one order.
        self.assertEqual(self.rows("SELECT customer_id, frequency, f FROM customers"), [(1, 1, 1)])
        self.assertEqual(
            self.rows("SELECT actions[:2], ties FROM histories WHERE user_id = 2"), [(["view", "addtocart"], 0)]
        )

    def test_recipe_rees46(self):
        self.file("2019-Oct.csv.gz", """event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,1,2103807459595387724,,shiseido,10.00,7,a
2019-10-01 00:01:00 UTC,cart,1,2103807459595387724,,shiseido,10.00,7,a
2019-10-01 00:02:00 UTC,purchase,1,2103807459595387724,,shiseido,10.00,7,a
2019-10-01 00:02:00 UTC,purchase,2,2053013555631882655,electronics.smartphone,apple,90.00,7,a
2019-10-01 01:00:00 UTC,view,2,2053013555631882655,electronics.smartphone,apple,90.00,8,b
2019-10-02 01:00:00 UTC,purchase,2,2053013555631882655,electronics.smartphone,apple,90.00,8,c
""")
        receipt, conversion, funnel = self.run_recipe("rees46")
        self.assertEqual(receipt[0][1], 6)
        # category, views, carts, purchases, viewers, buyers: the empty category is none, the cart was in it.
        self.assertEqual(conversion[0][:6], ("electronics.smartphone", 1, 0, 2, 1, 2))
        # Customer 8 viewed in one visit and bought in another.
        self.assertEqual([row[2] for row in funnel], [2, 1, 1])
        # The two lines of one second are one order of 100.
        self.assertEqual(
            self.rows("SELECT customer_id, frequency, monetary FROM customers ORDER BY customer_id ASC"),
            [(7, 1, 100.0), (8, 1, 90.0)],
        )

    def test_recipe_olist(self):
        self.file("orders.csv", """order_id,customer_id,order_status,order_purchase_timestamp
o1,c1,delivered,10/2/2017 10:56
o2,c2,delivered,7/24/2018 20:41
o3,c3,delivered,2018-08-08 08:38:49
o4,c4,canceled,8/9/2018 8:38
""", "orders_file")
        self.file("customers.csv", "customer_id,customer_unique_id\nc1,ada\nc2,ada\nc3,bob\nc4,bob\n", "customers_file")
        self.file("payments.csv", "order_id,payment_value\no1,10.10\no1,20.20\no2,5.00\no3,7.00\no4,99.00\n", "payments_file")
        summary, repeat, cohorts = self.run_recipe("olist")
        self.assertEqual(
            self.rows("SELECT customer_id, recency_days, frequency, monetary, f FROM customers ORDER BY customer_id ASC"),
            # The last order is of 8 August 2018, 15 days after 24 July; canceled orders are none. Ordering once is f = 1,
            # and the only one who ordered again is in the middle of the other scores, 2 to 5.
            [("ada", 15, 2, 35.3, 4), ("bob", 0, 1, 7.0, 1)],
        )
        self.assertEqual(sum(row[1] for row in summary), 2)
        self.assertEqual(repeat[0][:3], (2, 1, 0.5))
        # Ada came in October 2017 and again nine months later.
        self.assertIn(9, [row[1] for row in cohorts if row[2] == 1 and row[1] > 0])

    def test_recipe_instacart(self):
        self.file("orders.csv", """order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order
1,1,prior,1,2,08,
3,1,prior,3,3,12,21.0
2,1,prior,2,3,07,15.0
4,2,prior,1,4,10,
5,2,train,2,0,11,30.0
""")
        (repeat,) = self.run_recipe("instacart")
        self.assertEqual(
            self.rows("SELECT actions FROM histories ORDER BY user_id ASC"),
            [(["first", "within a month", "within a month"],), (["first", "later"],)],
        )
        self.assertEqual(repeat[0][:2], (2, 2))

    def test_recipe_ga4(self):
        day = 1_611_100_800_000_000  # 2021-01-20 00:00 UTC, a Wednesday; 23:30 UTC is Thursday in Berlin
        lines = [
            (0, "session_start", 1, "s", ""), (1, "view_item", 1, "s", "A"), (2, "add_to_cart", 1, "s", "A"),
            (3, "begin_checkout", 1, "s", ""), (4, "purchase", 1, "s", "A"),
            (1410, "session_start", 2, "s", ""), (1411, "view_item", 2, "s", "B"), (1412, "begin_checkout", 2, "s", ""),
        ]
        text = "event_timestamp,event_name,user_pseudo_id,ga_session_id,item_id,value\n"
        for minute, name, user, session, item in lines:
            text += f"{day + minute * 60_000_000},{name},1234567890.161234567{user},{session},{item},\n"
        self.file("events.csv", text)
        self.connection.execute("SET VARIABLE time_zone = 'Europe/Berlin'; SET TimeZone = 'America/New_York'")
        weekdays, funnel = self.run_recipe("ga4")
        self.assertEqual([(row[0], row[1]) for row in weekdays if row[1]], [("Wednesday", 5), ("Thursday", 3)])
        # Both begin a checkout, but the second has put nothing into the cart.
        self.assertEqual([row[2] for row in funnel], [2, 1, 1, 1])
        self.assertEqual(self.rows("SELECT count(*), max(len(actions)) FROM histories"), [(2, 5)])

    def test_recipe_tracker(self):
        self.file("tracker.csv", """collector_tstamp,domain_userid,domain_sessionid,event_name,page_urlpath,product_sku,device
2026-11-01 05:50:00+00,u1,s1,page_view,/product/9,9,mobile
2026-11-01 06:10:00+00,u1,s1,Add_To_Cart,/product/9,9,mobile
2026-11-01 06:20:00+00,u1,s1,page_view,/checkout,,mobile
2026-11-01 06:30:00+00,u1,s1,purchase,/thanks,9,mobile
2026-11-01 07:00:00+00,,s2,page_view,/product/9,9,desktop
2026-11-01 07:00:00+00,u2,s3,page_view,/product/9,9,desktop
2026-11-01 07:01:00+00,u2,s3,page_view,/about,,desktop
""")
        self.connection.execute("SET VARIABLE time_zone = 'America/New_York'")
        receipt, funnel, hours = self.run_recipe("tracker")
        self.assertEqual([row[1] for row in receipt], [6, 1, 0, 0, 0, 0])
        self.assertEqual(
            [(row[0], row[2], row[3]) for row in funnel if row[0] == "mobile"],
            [("mobile", "view", 1), ("mobile", "cart", 1), ("mobile", "checkout", 1), ("mobile", "buy", 1)],
        )
        # Clocks go back at 06:00 UTC: 05:50 and 06:10 are both ten past one or ten to two, in the right order.
        self.assertEqual([(row[0], row[1]) for row in hours if row[1]], [("01:00", 4), ("02:00", 2)])
        self.assertEqual(self.rows("SELECT actions FROM histories WHERE user_id = 'u1'"), [(["view", "cart", "checkout", "buy"],)])

    def test_recipe_order_lines(self):
        text = "invoice,stock_code,quantity,price,invoice_date,customer_id\n"
        # Ada: one order of six lines. Bob: three orders of one line, and a refund. Twelve more, so that there are groups.
        text += "".join(f"A1,p{i},1,10.00,2026-01-05 10:00:00,ada\n" for i in range(6))
        text += "".join(f"B{i},p1,1,10.00,2026-01-0{5 + i} 10:00:00,bob\n" for i in range(3))
        text += "CB,p1,-1,10.00,2026-01-09 10:00:00,bob\nD1,p1,1,3.00,2026-01-09 11:00:00,\n"
        text += "".join(f"E{i},p1,1,{i + 1}.50,2025-1{i % 3}-15 10:00:00,c{i}\n" for i in range(12))
        self.file("lines.csv", text)
        summary, thresholds, repeat, profile = self.run_recipe("order_lines")
        self.assertEqual(
            self.rows("SELECT customer_id, frequency, monetary FROM customers WHERE customer_id IN ('ada', 'bob') ORDER BY ALL"),
            [("ada", 1, 60.0), ("bob", 3, 20.0)],
        )
        ((ada,), (bob,)) = self.rows("SELECT f FROM customers WHERE customer_id IN ('ada', 'bob') ORDER BY customer_id ASC")
        self.assertEqual(ada, 1)
        self.assertGreater(bob, ada)
        self.assertEqual(sum(row[1] for row in summary), 14)
        self.assertTrue(thresholds)
        # Only Bob bought on several days; his refund is none of them.
        self.assertEqual(repeat[0][:2], (14, 1))
        self.assertEqual(len(profile), 3)


if __name__ == "__main__":
    print(f"DuckDB {duckdb.__version__}")
    unittest.main()
