-- Many texts to one, for each group. The order in list(… ORDER BY …) matters: the list is what is asked, and without an
-- order DuckDB may build another list next time, which is another question.
CREATE OR REPLACE TABLE feedback AS
SELECT
    i AS id,
    ['north', 'south'][1 + i % 2] AS shop,
    'Visit ' || i || ': ' || ['the queue was long', 'friendly staff', 'no bags left'][1 + i % 3] AS comment
FROM range(12) t(i);

SELECT shop, llm_reduce(
    list(comment ORDER BY id), 'What do these customers say? Two sentences.', model := 'openai/gpt-5-mini'
) AS report
FROM feedback
GROUP BY shop
ORDER BY shop;

-- What does not fit into the model's context is worked on in parts, whose results are combined; each part is cached, so a
-- list that grows asks anew about its end only. How long the context is, the service's list of models says, or you do.
SELECT try_llm_reduce(
    list(comment || repeat('. And so on', 60) ORDER BY id),
    'What do these customers say? Two sentences.',
    model := 'openai/gpt-5-mini', context_length := 3000
) AS report
FROM feedback;
