-- One bad row need not cost the others. `try_chat_completions` puts the reason into the row; openrouter_errors() lists
-- what went wrong in this process. The second row has no messages at all: NULL in, NULL out, nothing is sent.
CREATE OR REPLACE TABLE inbox AS
FROM (VALUES
    (1, '[{"role": "user", "content": "Say hello."}]'),
    (2, NULL),
    (3, 'not a list of messages'),
    (4, '[{"role": "wizard", "content": "Say hello."}]')
) AS t(id, messages);

CREATE OR REPLACE TABLE answered AS
SELECT id, try_chat_completions(messages, model := 'openai/gpt-5-mini') AS response
FROM inbox;

SELECT
    id,
    chat_text(response) AS answer,
    chat_error(response) ->> 'code' AS error,
    chat_error(response) ->> 'message' AS reason,
    (chat_error(response) -> 'retryable')::BOOLEAN AS worth_another_try
FROM answered
ORDER BY id;
