-- Prompts and models by name. Names live as long as the session; a table keeps them longer.
CREATE OR REPLACE TABLE my_prompts AS
FROM (VALUES
    ('reply', 1, 'Answer this {kind}: {text}'),
    ('reply', 2, 'Answer this {kind} in one friendly sentence: {text}')
) AS t(name, version, text);

-- Set in this order: the same text again makes no new version.
SELECT openrouter_set_prompt(name, text) AS version FROM (FROM my_prompts ORDER BY name, version);
CALL openrouter_set_prompt('shout', 'Write this in capitals: {text}');

-- A model together with its settings. What a call says itself wins.
CALL openrouter_set_model('fast', {'model': 'openai/gpt-5-nano', 'temperature': 0, 'max_tokens': 500});

SELECT
    text,
    prompt(openrouter_prompt('reply', {'kind': 'review', 'text': text}), model := 'fast') AS newest,
    prompt(openrouter_prompt('reply', {'kind': 'review', 'text': text}, version := 1), model := 'fast') AS first_version
FROM (VALUES ('It broke on the first day.'), ('Works well.')) AS t(text);

SELECT name, max(version) AS newest, last(placeholders ORDER BY version) AS placeholders
FROM openrouter_prompts() GROUP BY name ORDER BY name;
SELECT alias, model, settings FROM openrouter_model_aliases();
