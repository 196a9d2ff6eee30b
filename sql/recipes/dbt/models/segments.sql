FROM footfall.segment({{ ref('customers') }}, customer_id, [recency_days, frequency], k := 3)
