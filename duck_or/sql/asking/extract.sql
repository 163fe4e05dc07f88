-- A STRUCT of the named fields, NULL where the text does not say. fields: a constant such as {'name': 'VARCHAR'}.
-- The CASEs are there for the same reasons as in prompt_as.sql.

{create} {schema}"{name}"(
    {mark}text, fields, model := NULL, model_kwargs := NULL, provider := NULL
) AS CASE WHEN true THEN from_json(
    {call}
        to_json(text::VARCHAR),
        json_object('function', 'extract', 'fields', to_json(fields), 'model', model, 'model_kwargs', model_kwargs,
                    'provider', provider),
        {statement}
    {end},
    to_json(CASE WHEN true THEN fields END)
) ELSE from_json('null', to_json(CASE WHEN true THEN fields END)) END;
