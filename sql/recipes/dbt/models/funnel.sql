FROM footfall.funnel({{ ref('clean') }}, user_id, action, ts, within := INTERVAL 1 DAY)
