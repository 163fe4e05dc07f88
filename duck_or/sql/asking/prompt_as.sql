-- A value of `type`, a DuckDB type in text. It has to be a constant: the result's type is known when the query is bound.
-- `CASE WHEN true THEN type END` hides it from the check that CREATE MACRO makes, which would want a constant before there
-- is a call. The outer CASE gives the result its type where the first branch is a constant NULL: that has none of its own.

{create} {schema}"{name}"(
    {mark}text, type, model := NULL, system := NULL, images := NULL, model_kwargs := NULL, provider := NULL
) AS CASE WHEN true THEN from_json(
    {call}
        CASE WHEN images IS NULL OR text IS NULL THEN to_json(text::VARCHAR)
             ELSE json_object('text', text::VARCHAR, 'images', __duck_or_image_parts(images))
        END,
        json_object('function', 'prompt_as', 'type', type, 'model', model, 'system', system,
                    'model_kwargs', model_kwargs, 'provider', provider),
        {statement}
    {end},
    to_json(CASE WHEN true THEN type END)
) ELSE from_json('null', to_json(CASE WHEN true THEN type END)) END;
