-- One question for each row. `messages` is a list of structs; the answer is the service's JSON, as it sent it, and chat_text
-- takes the text out of it. For a text in and a text out there is `prompt` (13_prompt.sql).
CREATE OR REPLACE TABLE reviews AS
FROM (VALUES
    (1, 'The kettle boils in a minute and never drips.'),
    (2, 'Arrived broken, and nobody answers the phone.'),
    (3, 'Fine for the price.')
) AS t(id, review);

SELECT
    id,
    chat_text(chat_completions(
        [{'role': 'system', 'content': 'Answer with one word: positive, negative or neutral.'},
         {'role': 'user', 'content': review}],
        model := 'openai/gpt-5-mini'
    )) AS mood
FROM reviews
ORDER BY id;
