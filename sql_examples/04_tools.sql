-- Tools: bare function specifications are enough, and tool_choice may simply name one.
-- The model answers with calls, in a list; their arguments are JSON.
WITH requests(text) AS (VALUES
    ('Book a table for four in Lyon on Friday at eight.'),
    ('We are two, tomorrow at noon, somewhere in Turin.')
),
answers AS (
    SELECT text, chat_completions(
        [{'role': 'user', 'content': text}],
        model := 'openai/gpt-5-mini',
        tools := [{
            'name': 'book_table',
            'description': 'Reserve a table in a restaurant.',
            'parameters': {
                'type': 'object',
                'properties': {
                    'city': {'type': 'string'},
                    'guests': {'type': 'integer', 'minimum': 1, 'maximum': 20}
                },
                'required': ['city', 'guests']
            }
        }],
        tool_choice := {'tool': 'book_table'}
    ) AS response
    FROM requests
)
SELECT
    text,
    tool_call.name AS function,
    tool_call.arguments ->> 'city' AS city,
    (tool_call.arguments ->> 'guests')::INTEGER AS guests
FROM (SELECT text, unnest(chat_tool_calls(response)) AS tool_call FROM answers);
