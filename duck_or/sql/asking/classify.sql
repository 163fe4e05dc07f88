-- One of the labels, or with multi := true a list of those that apply. labels: a list of texts, or {label: description}.
-- The CASEs around `multi` and the result are there for the same reasons as in prompt_as.sql.

{create} {schema}"{name}"(
    {mark}text, labels, multi := false, model := NULL, model_kwargs := NULL, provider := NULL
) AS CASE WHEN true THEN from_json(
    {call}
        CASE WHEN labels IS NULL THEN NULL ELSE to_json(text::VARCHAR) END,
        json_object('function', 'classify', 'labels', to_json(labels), 'multi', multi::BOOLEAN, 'model', model,
                    'model_kwargs', model_kwargs, 'provider', provider),
        {statement}
    {end},
    CASE WHEN CASE WHEN true THEN multi END THEN '"VARCHAR[]"' ELSE '"VARCHAR"' END
) ELSE from_json('null', CASE WHEN CASE WHEN true THEN multi END THEN '"VARCHAR[]"' ELSE '"VARCHAR"' END) END;
