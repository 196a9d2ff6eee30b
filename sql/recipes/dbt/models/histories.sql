FROM footfall.sequences({{ ref('clean') }}, user_id, action, ts)
