FROM footfall.evaluate({{ ref('histories') }}, actions, (FROM footfall.best_model({{ ref('training') }})), user_id := user_id)
