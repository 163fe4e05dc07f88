"""The SQL behind `figures`: each query's columns are the fields of the class that it is read into."""

from __future__ import annotations

# Cached tokens are part of a prompt's, reasoning tokens of an answer's, whatever a service says. What is not shown still
# tells what a model's call costs: a cache filled last week saves money today.
SHOWN = """
CREATE OR REPLACE TEMP TABLE shown AS
SELECT
    * REPLACE (
        least(coalesce(cached_tokens, 0), coalesce(prompt_tokens, 0)) AS cached_tokens,
        least(coalesce(reasoning_tokens, 0), coalesce(completion_tokens, 0)) AS reasoning_tokens
    ),
    CAST(time AS TIMESTAMP) AS moment,
    coalesce(attempts, 1) > 0 AND NOT cache_hit AS sent,
    coalesce(attempts, 1) > 0 AND NOT cache_hit AND error_code IS NULL AS answered
FROM call
WHERE ($since IS NULL OR time >= to_timestamp($since)) AND (len($models) = 0 OR list_contains($models, model))
"""

PAID = """
paid AS (
    SELECT model, avg(cost_usd) AS mean_usd
    FROM call
    WHERE NOT cache_hit AND error_code IS NULL AND cost_usd IS NOT NULL
    GROUP BY model
),
saving AS (
    SELECT model, sum(requests) AS hits, sum(requests) * any_value(mean_usd) AS saved_usd
    FROM shown LEFT JOIN paid USING (model)
    WHERE cache_hit
    GROUP BY model
)
"""

TOTALS = f"""
WITH {PAID}
SELECT
    min(moment) AS first, max(moment) AS last,
    CAST(coalesce(sum(requests) FILTER (sent), 0) AS BIGINT) AS sent,
    CAST(coalesce(sum(requests) FILTER (answered), 0) AS BIGINT) AS answered,
    CAST(coalesce(sum(requests) FILTER (sent AND NOT answered), 0) AS BIGINT) AS failed,
    CAST(coalesce(sum(requests) FILTER (cache_hit), 0) AS BIGINT) AS hits,
    CAST(coalesce(sum(requests) FILTER (NOT sent AND NOT cache_hit), 0) AS BIGINT) AS rejected,
    coalesce(sum(cost_usd), 0.0) AS cost_usd,
    count(*) FILTER (answered AND cost_usd IS NULL) AS unpriced,
    (SELECT coalesce(sum(saved_usd), 0.0) FROM saving) AS saved_usd,
    (SELECT CAST(coalesce(sum(hits) FILTER (saved_usd IS NULL), 0) AS BIGINT) FROM saving) AS unvalued_hits,
    CAST(coalesce(sum(prompt_tokens) FILTER (sent), 0) AS BIGINT) AS prompt_tokens,
    CAST(coalesce(sum(completion_tokens) FILTER (sent), 0) AS BIGINT) AS completion_tokens,
    CAST(coalesce(sum(cached_tokens) FILTER (sent), 0) AS BIGINT) AS cached_tokens,
    CAST(coalesce(sum(reasoning_tokens) FILTER (sent), 0) AS BIGINT) AS reasoning_tokens,
    quantile_cont(latency_s, 0.5) FILTER (answered) AS latency_p50,
    quantile_cont(latency_s, 0.95) FILTER (answered) AS latency_p95
FROM shown
"""

# Which models and providers get a colour of their own. The order is the same in every chart.
NAMED = """
CREATE OR REPLACE TEMP TABLE named AS
WITH
    known AS (
        SELECT *, coalesce(model, $unknown) AS model_name, coalesce(provider, $unknown) AS provider_name
        FROM shown WHERE sent
    ),
    models AS (
        SELECT model_name, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, count(*) DESC, model_name) AS place
        FROM known GROUP BY model_name
    ),
    providers AS (
        SELECT
            provider_name,
            row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, count(*) DESC, provider_name) AS place
        FROM known GROUP BY provider_name
    )
SELECT
    known.*,
    CASE WHEN models.place <= $series THEN model_name ELSE $others END AS model_series,
    CASE WHEN providers.place <= $series THEN provider_name ELSE $others END AS provider_series,
    least(models.place, $series + 1) AS model_place, least(providers.place, $series + 1) AS provider_place
FROM known JOIN models USING (model_name) JOIN providers USING (provider_name)
"""

ZONE = "SELECT current_setting('TimeZone')"
MODELS = "SELECT model_series AS name FROM named GROUP BY ALL ORDER BY min(model_place)"
PROVIDERS = "SELECT provider_series AS name FROM named GROUP BY ALL ORDER BY min(provider_place)"

SPEND = """
SELECT
    time_bucket(CAST($bin AS INTERVAL), moment) AS start, start + CAST($bin AS INTERVAL) AS "end",
    model_series AS series, coalesce(sum(cost_usd), 0.0) AS value
FROM named GROUP BY start, series ORDER BY start, min(model_place)
"""

COSTS = """
WITH ranked AS (
    SELECT model_name, row_number() OVER (ORDER BY sum(cost_usd) DESC NULLS LAST, model_name) AS place
    FROM named GROUP BY model_name HAVING sum(cost_usd) > 0
)
SELECT
    CASE WHEN place <= $bars THEN model_name ELSE $others END AS name, provider_series AS series, sum(cost_usd) AS value
FROM named JOIN ranked USING (model_name) WHERE cost_usd > 0
GROUP BY name, series ORDER BY min(place), min(provider_place)
"""

# Eight bins for each power of ten: from one to the next it is a third more.
LATENCIES = """
SELECT
    pow(10, floor(log10(latency_s) * 8) / 8) AS low, pow(10, (floor(log10(latency_s) * 8) + 1) / 8) AS high,
    model_series AS series, count(*) AS calls
FROM named WHERE answered AND latency_s > 0
GROUP BY low, high, series ORDER BY low, min(model_place)
"""

SAVINGS = f"""
WITH {PAID}
SELECT coalesce(model, $unknown) AS model, CAST(hits AS BIGINT) AS hits, saved_usd
FROM saving ORDER BY saved_usd DESC NULLS LAST, hits DESC, model
"""

ERRORS = """
SELECT
    error_code AS name, CASE WHEN sent THEN 'failed' ELSE 'rejected' END AS series,
    CAST(sum(requests) AS DOUBLE) AS value
FROM shown WHERE error_code IS NOT NULL
GROUP BY ALL ORDER BY value DESC, name LIMIT $bars
"""

# Each token once: those of a prompt that were cached are not in 'prompt'.
TOKENS = """
WITH
    binned AS (
        SELECT
            time_bucket(CAST($bin AS INTERVAL), moment) AS start,
            sum(cached_tokens) AS cached, coalesce(sum(prompt_tokens), 0) AS prompt,
            sum(reasoning_tokens) AS reasoning, coalesce(sum(completion_tokens), 0) AS completion
        FROM named GROUP BY start
    )
SELECT start, start + CAST($bin AS INTERVAL) AS "end", series, CAST(value AS DOUBLE) AS value
FROM (
    SELECT start, 1 AS place, 'prompt' AS series, prompt - cached AS value FROM binned
    UNION ALL SELECT start, 2, 'prompt, from the provider''s cache', cached FROM binned
    UNION ALL SELECT start, 3, 'answer', completion - reasoning FROM binned
    UNION ALL SELECT start, 4, 'reasoning', reasoning FROM binned
)
WHERE value > 0 ORDER BY start, place
"""

LINES = """
SELECT
    model_name AS model, provider_name AS provider,
    count(*) AS sent, count(*) FILTER (NOT answered) AS failed,
    CAST(coalesce(sum(prompt_tokens), 0) AS BIGINT) AS prompt_tokens,
    CAST(coalesce(sum(completion_tokens), 0) AS BIGINT) AS completion_tokens,
    coalesce(sum(cost_usd), 0.0) AS cost_usd,
    avg(cost_usd) FILTER (answered) AS mean_usd,
    quantile_cont(latency_s, 0.5) FILTER (answered) AS latency_p50,
    quantile_cont(latency_s, 0.95) FILTER (answered) AS latency_p95
FROM named GROUP BY ALL ORDER BY cost_usd DESC, sent DESC, model, provider
"""
