FROM footfall.train_propensity({{ ref('clean') }}, user_id, action, ts, target := 'buy', horizon := INTERVAL 2 DAYS, item := item_id)
