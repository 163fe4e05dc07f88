-- The statements of `duck-or demo --local-model`: what a model of 135 million parameters can do, most of the time.

-- name: texts
CREATE OR REPLACE TEMP TABLE texts AS
SELECT * FROM (VALUES
    (1, 'Rome: The soup was wonderful and the waiter was very kind.'),
    (2, 'London: The room was dirty, cold and far too expensive.'),
    (3, 'Berlin: I love this phone, it is the best one I ever had.'),
    (4, 'Paris: Terrible. It broke on the first day and nobody helped me.')
) reviews(id, review);

-- name: ask
CREATE OR REPLACE TABLE duck_or_demo AS
SELECT
    id,
    review,
    classify(review, ['positive', 'negative']) AS mood,
    prompt_as(review, 'STRUCT(sentiment VARCHAR, score DOUBLE)',
              system := 'Give the sentiment of this review, positive or negative, and a score from 0 to 1.') AS judged,
    llm_filter(review, 'Is the customer happy?') AS happy,
    llm_extract(review, {'city': 'VARCHAR'}) AS found,
    prompt('In which country is ' || found['city'] || '? Answer in one sentence.') AS said
FROM texts;

-- name: answers
SELECT id, mood, judged, happy, found, said[:24] AS said
FROM duck_or_demo
ORDER BY id;

-- name: statistics
SELECT requests, cache_hits, sent, answered, failed, attempts, prompt_tokens, completion_tokens
FROM openrouter_stats();
