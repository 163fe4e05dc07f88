-- A STRUCT of the named fields, NULL where the text does not say. fields: a constant such as {'name': 'VARCHAR'}.
-- The last CASE hides it from the check that CREATE MACRO makes, which would want a constant before there is a call.

{create} {schema}"{name}"(
    {mark}text, fields, model := NULL, model_kwargs := NULL, provider := NULL
) AS from_json(
    {call}
        to_json(text::VARCHAR),
        json_object('function', 'extract', 'fields', to_json(fields), 'model', model, 'model_kwargs', model_kwargs,
                    'provider', provider),
        {statement}
    {end},
    to_json(CASE WHEN true THEN fields END)
);
