-- A job that runs every hour and asks only for what is new. The cache makes the anti-join a matter of tidiness rather
-- than of money: a request that was answered once is never paid for again, even if the table is dropped. (21_keys.sql joins
-- by what is asked, so that a changed text counts as new.)
CREATE TABLE IF NOT EXISTS articles (id INTEGER PRIMARY KEY, body VARCHAR);
CREATE TABLE IF NOT EXISTS summaries (id INTEGER PRIMARY KEY, summary VARCHAR, cost_usd DOUBLE, made TIMESTAMP);

INSERT OR IGNORE INTO articles VALUES
    (1, 'The council voted on Tuesday to keep the old bridge open to bicycles.'),
    (2, 'A comet will be visible in the eastern sky before dawn for the rest of the month.');

INSERT INTO summaries
SELECT
    id,
    chat_text(response),
    chat_usage(response).cost,
    now()::TIMESTAMP
FROM (
    SELECT id, chat_completions(
        [{'role': 'user', 'content': 'Summarise in five words: ' || body}],
        model := 'openai/gpt-5-mini',
        model_kwargs := {'max_tokens': 60}
    ) AS response
    FROM articles ANTI JOIN summaries USING (id)
);

FROM summaries ORDER BY id;
