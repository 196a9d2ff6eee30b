SELECT user_id, next.action AS next_action, next.probability, footfall.top(next.probabilities) AS likeliest
FROM footfall.predictions({{ ref('histories') }}, actions, (FROM footfall.best_model({{ ref('training') }})))
