FROM footfall.train({{ ref('histories') }}, actions, epochs := 3, hidden := 16, user_id := user_id)
