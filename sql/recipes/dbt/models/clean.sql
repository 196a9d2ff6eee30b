FROM footfall.clean_events(
    {{ ref('events') }}, user_id, item_id, category_id, action, ts, valid_from := DATE '2017-11-25', valid_until := DATE '2017-12-04'
)
