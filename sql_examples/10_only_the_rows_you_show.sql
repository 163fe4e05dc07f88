-- LIMIT first, ask second. DuckDB may evaluate the SELECT list for every row before it sorts and cuts off; in a
-- subquery the five rows are picked before anything is asked.
CREATE OR REPLACE TABLE posts AS
SELECT i AS id, 'Post number ' || i AS title, (i * 7919) % 1000 AS likes FROM range(1000) t(i);

SELECT id, likes, prompt('A better title for: ' || title, model := 'openai/gpt-5-mini') AS better_title
FROM (FROM posts ORDER BY likes DESC LIMIT 5);
