-- Tools: bare function specifications are enough, and tool_choice may simply name one.
-- The model answers with a call; its arguments are JSON text inside the JSON.
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
    response ->> '$.choices[0].message.tool_calls[0].function.name' AS function,
    response ->> '$.choices[0].message.tool_calls[0].function.arguments' AS arguments
FROM answers;
