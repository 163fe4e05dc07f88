-- chat_completions and try_chat_completions. {create} is CREATE OR REPLACE [TEMP] MACRO, {schema} the place's prefix (may be
-- empty), {function} the name, {udf} the function behind it.
--
-- The macros give the arguments their names and defaults and pack them into two JSON values, which DuckDB does in C++
-- and, for constants, once. No option at all is NULL, the cheapest vector to hand over. {statement} tells the chunks of one
-- statement from those of another. Usually it is epoch_us(now()): fixed within a statement (and within an open transaction:
-- what failed in it is asked again in the next one) and, unlike current_query() and current_query_id(), not volatile (a
-- volatile call would be evaluated for every row under ORDER BY ... LIMIT). In a planned statement it is the call's mark,
-- which is then the first argument: {mark}.

{create} {schema}{function}(
    {mark}messages, model := NULL, model_kwargs := NULL, tools := NULL, tool_choice := NULL, provider := NULL,
    transforms := NULL
) AS {udf}(
    to_json(messages),
    CASE WHEN model IS NULL AND model_kwargs IS NULL AND tools IS NULL AND tool_choice IS NULL AND provider IS NULL
              AND transforms IS NULL THEN NULL
         ELSE json_object('model', model, 'model_kwargs', model_kwargs, 'tools', tools, 'tool_choice', tool_choice,
                          'provider', provider, 'transforms', transforms)
    END,
    {statement}
);
