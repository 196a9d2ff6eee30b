FROM footfall.conversion({{ ref('clean') }}, user_id, category_id, action)
