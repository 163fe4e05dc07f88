-- One text out of a list of texts, of any length. context_length: the model's, in tokens; looked up where not given.

{create} {schema}"{name}"(
    {mark}texts, instruction, model := NULL, context_length := NULL, model_kwargs := NULL, provider := NULL
) AS {call}
    CASE WHEN instruction IS NULL THEN NULL ELSE to_json(texts) END,
    json_object('function', 'llm_reduce', 'instruction', instruction, 'context_length', context_length,
                'model', model, 'model_kwargs', model_kwargs, 'provider', provider),
    {statement}
{end};
