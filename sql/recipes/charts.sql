-- Own charts beside ours: one page of the study's pictures that are wanted, and of what only this shop asks.
--
--   duckdb study.duckdb -c "SET VARIABLE file = 'events.csv'" -c ".read sql/recipes/charts.sql"
--   duckdb study.duckdb -c "COPY (FROM page) TO 'study.html' (FORMAT blob)"
--
-- user_id, category_id, action, ts, price. A chart is a row: the headline is an expression over the numbers, so that it is right of next
-- month's data as well, and rows can be left out, put in another place, stored and compared.
CREATE OR REPLACE TABLE events AS
SELECT user_id, category_id, action, ts, price FROM read_csv(getvariable('file'), types = {'price': 'DOUBLE'});

-- What a buyer spends by category, and on how many buyers that rests.
CREATE OR REPLACE TABLE spent AS
SELECT category_id, count(DISTINCT user_id) AS buyers, sum(price) / count(DISTINCT user_id) AS per_buyer, sum(price) AS money
FROM events
WHERE action = 'buy'
GROUP BY category_id;

-- The share of a weekday's visitors who buy on it, with its interval.
CREATE OR REPLACE TABLE weekdays AS
SELECT weekday, n_buyers / n_visitors AS share, footfall.wilson_interval(n_buyers, n_visitors) AS range_, n_visitors
FROM (
    SELECT dayname(ts) AS weekday, count(DISTINCT user_id) AS n_visitors, count(DISTINCT user_id) FILTER (action = 'buy') AS n_buyers
    FROM events
    GROUP BY weekday
);

CREATE OR REPLACE TABLE charts AS
FROM footfall.study(events, user_id, category_id, action, ts, amount := price)
-- The triangle says nothing to this shop's readers.
WHERE chart.name <> 'cohorts'
UNION ALL
FROM footfall.chart(
    spent, category_id, per_buyer, note := buyers || ' buyers', strong := money = (SELECT max(money) FROM spent),
    headline := (
        SELECT format('A buyer of {} spends {:.2f} in it; most of the money, {:.2f}, comes from {}', most.category_id, most.per_buyer, richest.money, richest.category_id)
        FROM (FROM spent ORDER BY per_buyer DESC, category_id ASC LIMIT 1) AS most, (FROM spent ORDER BY money DESC, category_id ASC LIMIT 1) AS richest
    ),
    caption := 'The other colour is the category with most money. Read with care: few buyers make a mean that one of them decides.',
    y_label := 'money per buyer', section := 'What converts', place := 32, name := 'spent'
)
UNION ALL
FROM footfall.chart(
    weekdays, weekday, share, kind := 'dots', low := range_.low, high := range_.high, note := n_visitors || ' visitors', format := 'percent',
    headline := (
        SELECT CASE
            WHEN max(range_.low) > min(range_.high) THEN format('Visitors buy most often on {}', arg_max(weekday, share))
            ELSE 'No weekday is clearly better for selling than another'
        END
        FROM weekdays
    ),
    y_label := 'visitors who buy on the day', section := 'What converts', place := 33, name := 'weekdays'
);

CREATE OR REPLACE TABLE page AS
FROM footfall.page(charts, title := 'Our shop');

SELECT chart.section, chart.name, chart.headline FROM charts ORDER BY chart.place ASC;

-- One picture for a slide, which `COPY (FROM weekdays_picture) TO 'weekdays.svg' (FORMAT csv, HEADER false, QUOTE '')` writes, and the same in the shell.
CREATE OR REPLACE TABLE weekdays_picture AS
SELECT chart_svg(chart, 480) AS svg FROM charts WHERE chart.name = 'weekdays';

SELECT unnest(string_split(chart_text(chart), chr(10))) AS lines FROM charts WHERE chart.name = 'spent';
