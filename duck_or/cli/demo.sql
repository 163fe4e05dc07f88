-- The statements of `duck-or demo`. {rows}, {sample}, {model}, {max_tokens} and {messages} are filled in.

-- name: texts
CREATE OR REPLACE TEMP TABLE texts AS
SELECT any_value(name ORDER BY name) AS name, description
FROM (
    SELECT function_name AS name, description FROM duckdb_functions()
    UNION ALL
    SELECT name, description FROM duckdb_settings()
)
WHERE trim(description) <> ''
GROUP BY description
ORDER BY md5(description)
LIMIT {rows};

-- name: messages
[{'role': 'system', 'content': 'Say in at most five words what this DuckDB function or setting is for.'},
         {'role': 'user', 'content': name || ': ' || description}]

-- name: prompts
SELECT to_json({messages}) FROM texts;

-- name: ask
CREATE OR REPLACE TABLE duck_or_demo AS
SELECT
    name,
    description,
    chat_completions(
        {messages},
        model := '{model}',
        model_kwargs := {'max_tokens': {max_tokens}}
    ) AS response
FROM texts;

-- name: answers
SELECT name, description[:36] AS description, response->>'$.choices[0].message.content' AS answer
FROM duck_or_demo
LIMIT {sample};

-- name: statistics
SELECT requests, cache_hits, sent, answered, failed, attempts, prompt_tokens, completion_tokens, cost_usd
FROM openrouter_stats();
