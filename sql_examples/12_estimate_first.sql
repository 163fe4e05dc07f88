-- What would it cost? The estimate runs what the query reads, counts the distinct requests, looks which of them are answered
-- already, and sends nothing.
CREATE OR REPLACE TABLE tickets AS
SELECT i AS id, 'Ticket number ' || (i % 40) || ': the parcel is late' AS body FROM range(120) t(i);

SELECT row_count, requests, already_answered, to_send, cost_usd_low, cost_usd_high, minutes_low
FROM openrouter_estimate($$
    SELECT classify(body, ['billing', 'delivery', 'other'], model := 'openai/gpt-5-mini',
                    model_kwargs := {'max_tokens': 500})
    FROM tickets
$$);

SELECT id, classify(body, ['billing', 'delivery', 'other'], model := 'openai/gpt-5-mini',
                    model_kwargs := {'max_tokens': 500}) AS queue
FROM tickets ORDER BY id LIMIT 10;
