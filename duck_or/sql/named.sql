-- Prompts and models by name. {create} and {schema} as in family.py.
--
-- What sets a name is a scalar macro for SELECT and a table macro of the same name for CALL; DuckDB keeps them apart. The
-- function behind them is volatile, so that it runs once for each row. SELECT f(x) FROM t ORDER BY y calls it before the
-- rows are sorted: where the order matters, it is FROM (FROM t ORDER BY y).
--
-- The default of `placeholders` is an empty object and not NULL: a value that is forgotten must be an error, and a row without
-- values must be NULL.

{create} {schema}openrouter_set_prompt(name, text) AS __duck_or_set_prompt(name, text);
{create} {schema}openrouter_set_prompt(name, text) AS TABLE SELECT __duck_or_set_prompt(name, text) AS version;

{create} {schema}openrouter_set_model(alias, settings) AS __duck_or_set_model(alias, to_json(settings));
{create} {schema}openrouter_set_model(alias, settings) AS TABLE SELECT __duck_or_set_model(alias, to_json(settings)) AS model;

{create} {schema}openrouter_prompt(name, placeholders := '{}', version := NULL) AS
    __duck_or_filled_prompt(name, to_json(placeholders), version);

{create} {schema}openrouter_prompts() AS TABLE SELECT unnest(__duck_or_prompts('now'), max_depth := 2);
{create} {schema}openrouter_model_aliases() AS TABLE
    SELECT alias, model, settings::JSON AS settings, created
    FROM (SELECT unnest(__duck_or_model_aliases('now'), max_depth := 2));
