-- Pictures: `content` may be a list of parts. image_part makes one of a URL or, as here, of the bytes themselves.
-- (19_attachments.sql has files and sounds, too.)
WITH pictures(name, bytes) AS (VALUES
    ('one red pixel', from_base64('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='))
)
SELECT
    name,
    chat_text(chat_completions(
        [{
            'role': 'user',
            'content': [
                {'type': 'text', 'text': 'Which colour do you see?'},
                image_part(bytes)
            ]
        }],
        model := 'openai/gpt-5-mini'
    )) AS colour
FROM pictures;
