-- What happened, as tables. {create} and {schema} as in family.py.

{create} {schema}openrouter_stats() AS TABLE SELECT unnest(__duck_or_stats('now'), max_depth := 2);
{create} {schema}openrouter_calls() AS TABLE SELECT unnest(__duck_or_calls('now'), max_depth := 2);
{create} {schema}openrouter_errors() AS TABLE SELECT unnest(__duck_or_errors('now'), max_depth := 2);
{create} {schema}openrouter_models() AS TABLE SELECT unnest(__duck_or_models('now'), max_depth := 2);

-- What a statement would ask, send and cost, without sending anything.
{create} {schema}openrouter_estimate(query) AS TABLE SELECT unnest(__duck_or_estimate(query), max_depth := 2);
