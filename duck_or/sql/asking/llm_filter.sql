-- Whether it is so: for WHERE, and for JOIN ... ON.

{create} {schema}"{name}"(
    {mark}text, question, model := NULL, model_kwargs := NULL, provider := NULL
) AS CAST(
    {call}
        CASE WHEN question IS NULL THEN NULL ELSE to_json(text::VARCHAR) END,
        json_object('function', 'llm_filter', 'question', question, 'model', model, 'model_kwargs', model_kwargs,
                    'provider', provider),
        {statement}
    {end} AS BOOLEAN
);
