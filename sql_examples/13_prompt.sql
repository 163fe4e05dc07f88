-- A text in, a text out. Every option may be named and may be a column; NULL in, NULL out, and nothing is sent.
CREATE OR REPLACE TABLE letters AS
FROM (VALUES
    (1, 'fr', 'Bonjour, le colis est arrivé mouillé et la boîte était ouverte. Que faire ?'),
    (2, 'en', 'Thank you for the quick repair. The radio plays again as it did when my father bought it in 1962.'),
    (3, 'en', NULL)
) AS t(id, language, letter);

SELECT
    id,
    prompt('Write one friendly sentence in answer to: ' || letter, model := 'openai/gpt-5-mini') AS answer,
    prompt(letter, system := 'Answer with one word: angry or glad.', model_kwargs := {'max_tokens': 500}) AS mood
FROM letters
ORDER BY id;

-- `summarize` is a word of DuckDB's own grammar (SUMMARIZE letters): so it is quoted, or called by its other name.
-- `translate` with three arguments is still DuckDB's own.
SELECT
    id,
    "summarize"(letter) AS short,
    llm_summarize(letter) AS the_same,
    translate(letter, 'English') AS english,
    translate(language, 'abc', 'xyz') AS letters_replaced
FROM letters
ORDER BY id;

-- The try_ forms give NULL where a row fails, and go on with the others.
SELECT
    id,
    try_prompt('Write one friendly sentence in answer to: ' || letter, model := 'openai/gpt-5-mini') AS answer,
    try_summarize(letter) AS short,
    try_llm_summarize(letter) AS the_same,
    try_translate(letter, if(language = 'en', 'French', 'English')) AS in_the_other_language
FROM letters
ORDER BY id;
