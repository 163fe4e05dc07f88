-- What happened, as tables. The counters add up: requests = cache_hits + joined + sent.
CREATE OR REPLACE TABLE words AS
SELECT word, translate(word, 'French', model := 'openai/gpt-5-mini') AS french
FROM (VALUES ('bread'), ('water'), ('bread')) AS t(word);

SELECT requests, cache_hits, joined, sent, cost_usd FROM openrouter_stats();

SELECT
    model,
    provider,
    count(*) AS calls,
    count(*) FILTER (cache_hit) AS from_cache,
    count(error_code) AS failed,
    sum(prompt_tokens) AS prompt_tokens,
    sum(completion_tokens) AS completion_tokens,
    round(sum(cost_usd), 6) AS cost_usd,
    round(quantile_cont(latency_s, 0.5), 3) AS median_s
FROM openrouter_calls()
GROUP BY ALL
ORDER BY cost_usd DESC;

SELECT id, prompt_usd * 1e6 AS usd_per_million_in, completion_usd * 1e6 AS usd_per_million_out
FROM openrouter_models()
ORDER BY completion_usd
LIMIT 5;
