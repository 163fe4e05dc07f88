-- The text in another language. DuckDB has a translate(string, from, to) of its own, which this macro would hide: so that
-- is its second overload, and `only_by_name` keeps a third argument by position from being taken for a model. VARCHAR after
-- "to" makes it the better match for a NULL too, which would fit either.

{create} {schema}"{name}"(
    {mark}text, language, only_by_name BOOLEAN[] := NULL, model := NULL, model_kwargs := NULL, provider := NULL
) AS {call}
    CASE WHEN language IS NULL THEN NULL ELSE to_json(text::VARCHAR) END,
    json_object('function', 'translate', 'language', language, 'model', model, 'model_kwargs', model_kwargs,
                'provider', provider),
    {statement}
{end}, (
    {mark}string, "from", "to" VARCHAR
) AS system.main.translate(string, "from", "to");
