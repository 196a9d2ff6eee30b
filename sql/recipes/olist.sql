-- Olist: "Brazilian E-Commerce Public Dataset", orders, customers and payments, also where a spreadsheet has saved them.
--
--   SET VARIABLE orders_file = 'olist_orders_dataset.csv';
--   SET VARIABLE customers_file = 'olist_customers_dataset.csv';
--   SET VARIABLE payments_file = 'olist_order_payments_dataset.csv';
--   .read sql/recipes/olist.sql
--
-- customer_id is another one for each order: who ordered is customer_unique_id. An order has several payments. A
-- spreadsheet writes 10/2/2017 10:56 for 2 October: DuckDB cannot know which number is the month, so the times are read
-- as text and converted here.
CREATE OR REPLACE VIEW orders AS
SELECT
    customer_unique_id, order_id, order_status, paid,
    coalesce(
        try_strptime(order_purchase_timestamp, '%Y-%m-%d %H:%M:%S'),
        try_strptime(order_purchase_timestamp, '%m/%d/%Y %H:%M')
    ) AS ordered_at
FROM read_csv(getvariable('orders_file'), all_varchar = true)
JOIN read_csv(getvariable('customers_file'), all_varchar = true) USING (customer_id)
JOIN (
    SELECT order_id, sum(CAST(payment_value AS DECIMAL(18, 2))) AS paid
    FROM read_csv(getvariable('payments_file'), all_varchar = true)
    GROUP BY order_id
) USING (order_id)
WHERE order_status NOT IN ('canceled', 'unavailable');

-- Nine customers in ten order once: they have f = 1, and a recent one is New and not loyal.
CREATE OR REPLACE TABLE customers AS
FROM footfall.rfm(orders, customer_unique_id, ordered_at, amount := paid, order_id := order_id);

FROM footfall.rfm_summary(customers);

FROM footfall.repeat_purchase(orders, customer_unique_id, ordered_at, amount := paid, order_id := order_id);

FROM footfall.cohorts(orders, customer_unique_id, ordered_at, period := 'month', order_id := order_id);
