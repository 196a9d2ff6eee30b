{% if var('events') %}
FROM footfall.read_taobao('{{ var("events") }}')
{% else %}
FROM footfall.generate_events(users := 300, seed := 42)
{% endif %}
