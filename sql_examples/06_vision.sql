-- Pictures: `content` may be a list of parts. The parts of one list are one struct type in SQL, so write both fields
-- in each: a NULL field counts as absent. The picture is an address or, as here, the bytes themselves.
WITH pictures(name, bytes) AS (VALUES
    ('one red pixel', from_base64('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='))
)
SELECT
    name,
    chat_completions(
        [{
            'role': 'user',
            'content': [
                {'type': 'text', 'text': 'Which colour do you see?', 'image_url': NULL},
                {'type': 'image_url', 'text': NULL,
                 'image_url': {'url': 'data:image/png;base64,' || to_base64(bytes)}}
            ]
        }],
        model := 'openai/gpt-5-mini'
    ) ->> '$.choices[0].message.content' AS colour
FROM pictures;
