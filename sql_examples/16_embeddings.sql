-- Vectors. Many texts go into one HTTP request, yet each has a cache entry of its own: a new text is asked about alone.
-- With `dimensions` the type is FLOAT[256], which DuckDB's array functions and HNSW indexes want.
CREATE OR REPLACE TABLE passages AS
SELECT id, passage, embed(passage, model := 'openai/text-embedding-3-small', dimensions := 256) AS vector
FROM (VALUES
    (1, 'The heron stands still for minutes and then strikes.'),
    (2, 'A kettle of two litres boils in five minutes.'),
    (3, 'Ducks and herons share the pond in winter.')
) AS t(id, passage);

-- The passages nearest to a question. The same model and the same dimensions on both sides.
SELECT id, passage, array_cosine_similarity(vector, asked) AS similarity
FROM passages, (SELECT embed('Which herons share a pond with ducks?',
                             model := 'openai/text-embedding-3-small', dimensions := 256) AS asked)
ORDER BY similarity DESC
LIMIT 2;

-- Without `dimensions` it is a FLOAT[] of the model's own length, for the list functions. NULL where a row fails: a text
-- that says nothing has no vector.
SELECT text, list_cosine_similarity(try_embed(text, model := 'openai/text-embedding-3-small'),
                                    try_embed('kettle', model := 'openai/text-embedding-3-small')) AS similarity
FROM (VALUES ('a kettle'), ('a heron'), ('')) AS t(text);

-- With the extension vss an index finds the nearest ones (INSTALL downloads it, so these lines are not run here):
--
--     INSTALL vss; LOAD vss;
--     CREATE INDEX nearest ON passages USING HNSW (vector) WITH (metric = 'cosine');
--     FROM passages ORDER BY array_cosine_distance(vector, (SELECT embed(…) …)) LIMIT 10;
