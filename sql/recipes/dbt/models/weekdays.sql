FROM footfall.activity({{ ref('clean') }}, user_id, action, ts, by := 'weekday')
