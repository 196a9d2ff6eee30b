-- Order lines: a file with a row per product of an order, such as "Online Retail" (UCI) or an export of a shop system.
--
--   SET VARIABLE file = 'online_retail.csv';
--   .read sql/recipes/order_lines.sql
--
-- invoice,stock_code,quantity,price,invoice_date,customer_id. A row is a line and not an order: who buys six products at
-- once has bought once. An invoice that begins with C is a refund; a quarter of the lines has no customer.
CREATE OR REPLACE VIEW lines AS
SELECT
    customer_id, invoice AS order_id, stock_code, quantity, price, quantity * price AS amount,
    CAST(invoice_date AS TIMESTAMP) AS ts
FROM read_csv(getvariable('file'), types = {'invoice': 'VARCHAR', 'stock_code': 'VARCHAR', 'price': 'DECIMAL(18, 2)', 'customer_id': 'VARCHAR'});

-- The orders, where they are wanted as a table.
CREATE OR REPLACE TABLE orders AS
FROM footfall.orders(lines, customer_id, order_id, ts, amount := amount);

CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(lines, customer_id, ts, amount := amount, order_id := order_id);

FROM footfall.rfm_summary(customers);

-- What the scores mean in days, orders and money.
FROM footfall.rfm_thresholds(lines, customer_id, ts, amount := amount, order_id := order_id);

-- Refunds are no purchases.
FROM footfall.repeat_purchase(lines, customer_id, ts, amount := amount, order_id := order_id);

-- Groups of customers; money is skewed, so its logarithm is taken.
CREATE OR REPLACE TABLE segments AS
SELECT customers.*, assigned.segment AS cluster
FROM footfall.segment(customers, customer_id, [recency_days, frequency, monetary], k := 3, log := true) AS assigned
JOIN customers ON customers.customer_id = assigned.id;

FROM footfall.segment_profile(segments, cluster, recency_days, frequency, monetary := monetary);
