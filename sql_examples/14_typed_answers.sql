-- Answers with a type. The type is a constant, written as in CREATE TABLE; the model is held to a JSON schema made of it,
-- its answer is checked here, and asked for once more with the error where it does not fit.
CREATE OR REPLACE TABLE reports AS
FROM (VALUES
    (1, 'Monday: two crates of apples, 14.5 kg each, and a crate of pears. The scales need a new battery.'),
    (2, 'Tuesday: nothing arrived. The driver called at 09:40, a tyre had burst.')
) AS t(id, report);

SELECT id, prompt_as(report, 'INTEGER', system := 'How many crates arrived?') AS crates FROM reports ORDER BY id;

-- A struct becomes columns.
SELECT id, unnest(prompt_as(
    report,
    'STRUCT(day ENUM(''Monday'', ''Tuesday'', ''Wednesday''), anything_arrived BOOLEAN, trouble VARCHAR)'
))
FROM reports
ORDER BY id;

-- A list of structs becomes rows.
SELECT id, unnest(prompt_as(
    'List what arrived: ' || report,
    'STRUCT(goods VARCHAR, crates UTINYINT, kilograms DECIMAL(6, 1))[]'
), recursive := true)
FROM reports
ORDER BY id;

-- NULL where no valid answer comes, instead of an error that ends the query.
SELECT id, try_prompt_as('When did the driver call? ' || report, 'TIME') AS called_at FROM reports ORDER BY id;
