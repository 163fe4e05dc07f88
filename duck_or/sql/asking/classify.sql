-- One of the labels, or with multi := true a list of those that apply. labels: a list of texts, or {label: description}.
-- The inner CASE hides `multi` from the check that CREATE MACRO makes, which would want a constant before there is a call.

{create} {schema}"{name}"(
    {mark}text, labels, multi := false, model := NULL, model_kwargs := NULL, provider := NULL
) AS from_json(
    {call}
        to_json(text::VARCHAR),
        json_object('function', 'classify', 'labels', to_json(labels), 'multi', multi, 'model', model,
                    'model_kwargs', model_kwargs, 'provider', provider),
        {statement}
    {end},
    CASE WHEN CASE WHEN true THEN multi END THEN '"VARCHAR[]"' ELSE '"VARCHAR"' END
);
