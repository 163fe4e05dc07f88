-- The text's vector, FLOAT[], or FLOAT[n] with dimensions := n. The CASE hides a constant from the check that CREATE MACRO
-- makes, which would want to know it before there is a call.

{create} {schema}"{name}"(
    {mark}text, model := NULL, dimensions := NULL, model_kwargs := NULL, provider := NULL
) AS cast_to_type(
    {call}
        to_json(text::VARCHAR),
        json_object('function', 'embed', 'dimensions', dimensions, 'model', model, 'model_kwargs', model_kwargs,
                    'provider', provider),
        {statement}
    {end},
    CASE WHEN true THEN
        from_json('null', CASE WHEN dimensions IS NULL THEN '"FLOAT[]"' ELSE '"FLOAT[' || dimensions || ']"' END)
    END
);
