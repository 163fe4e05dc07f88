-- A JSON schema of your own: ask for JSON that fulfils it, then let DuckDB turn it into a typed struct. (prompt_as writes the
-- schema itself, from a DuckDB type: 14_typed_answers.sql.)
-- An answer that breaks the schema still reaches its row, but is never stored: the next run asks again.
WITH tickets(id, message) AS (VALUES
    (1, 'Since the update the app closes when I open the calendar. Please help, I have an exam tomorrow!'),
    (2, 'Could you send me an invoice for March?')
),
answers AS (
    SELECT id, chat_completions(
        [{'role': 'system', 'content': 'Sort support tickets.'}, {'role': 'user', 'content': message}],
        model := 'openai/gpt-5-mini',
        model_kwargs := {
            'max_tokens': 300,
            'response_format': {
                'type': 'json_schema',
                'json_schema': {
                    'name': 'ticket',
                    'strict': true,
                    'schema': {
                        'type': 'object',
                        'properties': {
                            'topic': {'type': 'string', 'enum': ['bug', 'billing', 'other']},
                            'urgency': {'type': 'integer', 'minimum': 1, 'maximum': 5},
                            'summary': {'type': 'string'}
                        },
                        'required': ['topic', 'urgency', 'summary'],
                        'additionalProperties': false
                    }
                }
            }
        },
        provider := {'require_parameters': true}
    ) AS response
    FROM tickets
)
SELECT id, unnest(from_json(
    chat_text(response),
    '{"topic": "VARCHAR", "urgency": "INTEGER", "summary": "VARCHAR"}'
))
FROM answers
ORDER BY id;
