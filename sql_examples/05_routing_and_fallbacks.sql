-- Where requests go. `provider` holds OpenRouter's routing preferences; `models` names fallbacks, tried in this order
-- when the first cannot answer; the plugin that `transforms` turns on shortens prompts that are too long.
SELECT
    response ->> '$.model' AS answered_by,
    response ->> '$.provider' AS provider,
    (response ->> '$.usage.cost')::DOUBLE AS cost_usd
FROM (
    SELECT chat_completions(
        [{'role': 'user', 'content': 'Name a river that crosses ' || country || '.'}],
        model := 'anthropic/claude-sonnet-4.5',
        model_kwargs := {
            'models': ['anthropic/claude-sonnet-4.5', 'openai/gpt-5-mini'],
            'max_tokens': 50,
            'reasoning': {'effort': 'low'}
        },
        provider := {'sort': 'price', 'allow_fallbacks': true, 'data_collection': 'deny'},
        transforms := ['middle-out']
    ) AS response
    FROM (VALUES ('Poland'), ('Peru')) AS t(country)
);
