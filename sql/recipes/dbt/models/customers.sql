WITH purchases AS (SELECT * FROM {{ ref('clean') }} WHERE action = 'buy')
FROM footfall.rfm(purchases, user_id, ts)
