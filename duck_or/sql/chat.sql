-- chat_completions and try_chat_completions. {create} is CREATE OR REPLACE [TEMP] MACRO, {schema} the place's prefix (may be
-- empty), {function} the name.
--
-- The macros give the arguments their names and defaults and pack them into two JSON values, which DuckDB does in C++
-- and, for constants, once. No option at all is NULL, the cheapest vector to hand over. epoch_us(now()) tells the chunks
-- of one statement from those of another: it is fixed within a statement (and within an open transaction: what failed in
-- it is asked again in the next one) and, unlike current_query() and current_query_id(), does not make the call volatile
-- (a volatile call would be evaluated for every row under ORDER BY ... LIMIT).

{create} {schema}{function}(
    messages, model := NULL, model_kwargs := NULL, tools := NULL, tool_choice := NULL, provider := NULL,
    transforms := NULL
) AS __duck_or_{function}(
    to_json(messages),
    CASE WHEN model IS NULL AND model_kwargs IS NULL AND tools IS NULL AND tool_choice IS NULL AND provider IS NULL
              AND transforms IS NULL THEN NULL
         ELSE json_object('model', model, 'model_kwargs', model_kwargs, 'tools', tools, 'tool_choice', tool_choice,
                          'provider', provider, 'transforms', transforms)
    END,
    epoch_us(now())
);
