-- A few sentences, in the text's own language.

{create} {schema}"{name}"(
    {mark}text, model := NULL, model_kwargs := NULL, provider := NULL
) AS {call}
    to_json(text::VARCHAR),
    json_object('function', 'summarize', 'model', model, 'model_kwargs', model_kwargs, 'provider', provider),
    {statement}
{end};
