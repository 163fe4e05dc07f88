-- What becomes of a row that fails. A try_ form gives NULL and goes on; why it failed, openrouter_errors() says. Here the
-- second row offers no labels and the third text says nothing, so neither is sent.
CREATE OR REPLACE TABLE drafts AS
FROM (VALUES
    (1, 'The kettle leaks.', ['complaint', 'praise']),
    (2, 'The kettle is fine.', []),
    (3, ' ', ['complaint', 'praise'])
) AS t(id, body, labels);

SELECT
    id,
    try_classify(body, labels) AS label,
    try_embed(body, model := 'openai/text-embedding-3-small') IS NOT NULL AS has_a_vector
FROM drafts
ORDER BY id;

SELECT code, retryable, message FROM openrouter_errors() ORDER BY time DESC LIMIT 2;
