-- Only what is new, by what is asked instead of by id: openrouter_key gives a call's cache key without making the call. A
-- row whose text, prompt or model has changed has a new key, and a text that stands in two rows has one.
CREATE TABLE IF NOT EXISTS headlines (key VARCHAR PRIMARY KEY, headline VARCHAR, tokens BIGINT);
CREATE OR REPLACE TABLE news AS
FROM (VALUES
    (1, 'The old bridge stays open to bicycles.'),
    (2, 'A comet will be visible before dawn.'),
    (3, 'A comet will be visible before dawn.')
) AS t(id, body);

CREATE OR REPLACE VIEW asked AS
SELECT *, openrouter_key(messages, model := 'openai/gpt-5-mini') AS key
FROM (SELECT id, [{'role': 'user', 'content': 'A headline of four words: ' || body}] AS messages FROM news);

INSERT INTO headlines
SELECT key, chat_text(response), chat_usage(response).total_tokens
FROM (
    SELECT key, chat_completions(messages, model := 'openai/gpt-5-mini') AS response
    FROM (SELECT DISTINCT key, messages FROM asked ANTI JOIN headlines USING (key))
);

SELECT id, headline, tokens FROM asked JOIN headlines USING (key) ORDER BY id;
