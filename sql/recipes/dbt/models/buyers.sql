FROM footfall.propensity({{ ref('clean') }}, user_id, action, ts, (SELECT model FROM {{ ref('buyers_model') }}), item := item_id)
