-- Pictures, files and sounds are BLOBs; what they are, their first bytes tell. No function reads a path by itself: the
-- content of a file is (SELECT content FROM read_blob('cat.png')).
CREATE OR REPLACE TABLE pictures AS
SELECT 'one red pixel' AS name, from_base64(
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=='
) AS content;

SELECT
    name,
    prompt('Which colour do you see?', images := content) AS colour,
    prompt_as('Which colour do you see?', 'ENUM(''red'', ''green'', ''blue'')', images := [content]) AS label,
    prompt('What differs?', images := [image_part(content, detail := 'low'),
                                       image_part('https://example.com/other.png')]) AS difference
FROM pictures;

-- Parts stand in messages, too. Beside a content that is a list of parts, one that is text is written to_json('…'): VARCHAR
-- and JSON[] have no type in common.
SELECT chat_text(chat_completions([
    {'role': 'system', 'content': to_json('Be brief.')},
    {'role': 'user', 'content': [
        {'type': 'text', 'text': 'How much do we sell, and what is said in the recording?'},
        file_part(encode('item,sold' || chr(10) || 'kettle,3'), name := 'sales.csv'),
        audio_part(from_base64('UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA='), format := 'wav')
    ]}
], model := 'google/gemini-2.5-flash')) AS answer;
