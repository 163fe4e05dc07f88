-- Every argument may be a column: here each row names its own model and its own settings.
-- NULL means "not given": the default model of the session answers the last row.
CREATE OR REPLACE TABLE questions AS
FROM (VALUES
    ('What is a window function?', 'openai/gpt-5-mini',        {'temperature': 0.0, 'max_tokens': 200}),
    ('What is a lateral join?',    'google/gemini-2.5-flash',  {'temperature': 0.7, 'max_tokens': 100}),
    ('What is a materialized view?', NULL,                     NULL)
) AS t(question, model, settings);

SELECT
    question,
    response ->> '$.model' AS answered_by,
    chat_text(response) AS answer
FROM (
    SELECT question, chat_completions(
        [{'role': 'user', 'content': question}], model := model, model_kwargs := settings
    ) AS response
    FROM questions
);
