-- The whole response, in OpenAI's format. The options are packed into one JSON value, or into none at all: NULL is the
-- cheapest vector to hand over.

{create} {schema}"{name}"(
    {mark}messages, model := NULL, model_kwargs := NULL, tools := NULL, tool_choice := NULL, provider := NULL,
    transforms := NULL
) AS {call}
    to_json(messages),
    CASE WHEN model IS NULL AND model_kwargs IS NULL AND tools IS NULL AND tool_choice IS NULL AND provider IS NULL
              AND transforms IS NULL THEN NULL
         ELSE json_object('model', model, 'model_kwargs', model_kwargs, 'tools', tools, 'tool_choice', tool_choice,
                          'provider', provider, 'transforms', transforms)
    END,
    {statement}
{end};
