-- The cache key of a call, without making it: the column cache_key of openrouter_calls(). Takes what chat_completions takes.

{create} {schema}openrouter_key(
    messages, model := NULL, model_kwargs := NULL, tools := NULL, tool_choice := NULL, provider := NULL,
    transforms := NULL
) AS __duck_or_key(
    to_json(messages),
    json_object('model', model, 'model_kwargs', model_kwargs, 'tools', tools, 'tool_choice', tool_choice,
                'provider', provider, 'transforms', transforms)
);
