-- What is in a response of chat_completions: its text, its JSON, the tools it calls, why it failed, what it took.
CREATE OR REPLACE TABLE asked_for AS
FROM (VALUES
    (1, [{'role': 'user', 'content': 'Name three rivers.'}]),
    (2, [{'role': 'wizard', 'content': 'Name three rivers.'}])
) AS t(id, messages);

SELECT
    id,
    chat_text(response) AS text,
    chat_error(response) ->> 'code' AS error,
    chat_usage(response).completion_tokens AS tokens,
    chat_usage(response).cost AS cost_usd
FROM (SELECT id, try_chat_completions(messages, model := 'openai/gpt-5-mini') AS response FROM asked_for)
ORDER BY id;

-- JSON, also out of a code fence; an error where the text is something else.
SELECT chat_json(chat_completions(
    [{'role': 'user', 'content': 'A river and its length in kilometres, as JSON.'}],
    model := 'openai/gpt-5-mini', model_kwargs := {'response_format': {'type': 'json_object'}}
)) AS river;

-- Tools: one row for each call.
SELECT tool_call.name, tool_call.arguments ->> 'city' AS city
FROM (
    SELECT unnest(chat_tool_calls(chat_completions(
        [{'role': 'user', 'content': 'How is the weather in Lyon?'}],
        model := 'openai/gpt-5-mini',
        tools := [{'name': 'weather', 'parameters': {
            'type': 'object', 'properties': {'city': {'type': 'string'}}, 'required': ['city']
        }}],
        tool_choice := 'required'
    ))) AS tool_call
);
