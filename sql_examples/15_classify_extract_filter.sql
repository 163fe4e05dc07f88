-- Labels, values and conditions.
CREATE OR REPLACE TABLE tickets AS
FROM (VALUES
    (1, 'Ada Okafor: the invoice of 2026-03-02 names the wrong amount, and the app shows an error when I open it.'),
    (2, 'The parcel came two days early. Please thank the driver!'),
    (3, 'Where is the parcel? Ben Strand, ordered on 2026-02-11.')
) AS t(id, body);

-- Always one of the labels; with multi := true a list of those that apply. A label may come with a description.
SELECT
    id,
    classify(body, ['invoice', 'parcel', 'other']) AS topic,
    classify(body, {'invoice': 'about money', 'error': 'something is broken', 'parcel': 'about a delivery'},
             multi := true) AS topics,
    score(body, 'Is the customer annoyed?') AS annoyed  -- from 0 to 1
FROM tickets
ORDER BY id;

-- Values, NULL where the text does not say. `extract` is a word of DuckDB's own grammar: quoted, or by its other name.
SELECT
    id,
    "extract"(body, {'name': 'VARCHAR', 'ordered': 'DATE'}) AS found,
    unnest(llm_extract(body, {'name': 'VARCHAR', 'ordered': 'DATE'}))
FROM tickets
ORDER BY id;

-- A condition. The CASE keeps the question from rows that a cheap condition throws away.
SELECT id, body
FROM tickets
WHERE CASE WHEN id > 1 THEN llm_filter(body, 'Is this about a parcel?') END
ORDER BY id;

-- A join on what two texts mean. It asks about each pair, so keep both sides small.
CREATE OR REPLACE TABLE teams AS
FROM (VALUES ('billing', 'money and any invoice'), ('shipping', 'the parcel and its driver')) AS t(team, duties);

SELECT id, team
FROM tickets JOIN teams
    ON llm_filter('Message: ' || body, 'Is it the business of a team that cares for ' || duties || '?')
ORDER BY id, team;

-- The try_ forms: NULL where a row fails.
SELECT
    id,
    try_classify(body, ['invoice', 'parcel', 'other']) AS topic,
    try_score(body, 'Is the customer annoyed?') AS annoyed,
    try_llm_filter(body, 'Is this about a parcel?') AS about_a_parcel,
    try_extract(body, {'name': 'VARCHAR'}) AS found,
    try_llm_extract(body, {'ordered': 'DATE'}).ordered AS ordered
FROM tickets
ORDER BY id;
