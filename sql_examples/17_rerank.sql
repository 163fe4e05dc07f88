-- Which documents answer a question best, by a model made for that: their places in the list, from 1, and their scores, the
-- best first.
CREATE OR REPLACE TABLE answers AS
FROM (VALUES
    ('Does it float?', ['It is made of oak.', 'Yes, it does float, even in salt water.', 'Delivery takes a week.']),
    ('How long does delivery take?', ['It is made of oak.', 'Yes, it does float.', 'Delivery takes a week.'])
) AS t(question, texts);

SELECT question, texts[ranked.index] AS text, round(ranked.score, 2) AS score
FROM (
    SELECT question, texts, unnest(rerank(question, texts, model := 'cohere/rerank-v3.5', top_n := 2)) AS ranked
    FROM answers
);

-- From rows to a ranking and back: list() and the places must follow one order.
WITH documents(id, body) AS (VALUES (10, 'a dog'), (20, 'a duck on a pond'), (30, 'a cat')),
ranking AS (
    SELECT list(id ORDER BY id) AS ids,
           try_rerank('duck', list(body ORDER BY id), model := 'cohere/rerank-v3.5') AS ranked
    FROM documents
)
SELECT ids[best.index] AS id, best.score
FROM (SELECT ids, unnest(ranked) AS best FROM ranking);
