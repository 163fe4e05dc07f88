-- Cheap conditions first. DuckDB does not know what a call costs and may make it for rows that the condition beside it
-- throws away. Inside CASE the condition decides: only the 143 rows with one star are asked about.
CREATE OR REPLACE TABLE ratings AS
SELECT i AS id, 1 + i % 7 AS stars, 'Review number ' || i AS review FROM range(1000) t(i);

SELECT count(*) AS mentions_a_refund
FROM ratings
WHERE CASE WHEN stars = 1 THEN
    llm_filter(review, 'Does the customer ask for a refund?', model := 'openai/gpt-5-mini')
END;
