-- The documents' places, from 1, and scores: the best first.
-- The outer CASE gives the result its type where the first branch is a constant NULL: that has none of its own.

{create} {schema}"{name}"(
    {mark}query, documents, model := NULL, top_n := NULL, model_kwargs := NULL, provider := NULL
) AS CASE WHEN true THEN from_json(
    CASE WHEN len(documents) = 0 AND query IS NOT NULL THEN '[]'
         ELSE {call}
             CASE WHEN query IS NULL OR documents IS NULL THEN NULL
                  ELSE json_object('query', query::VARCHAR, 'documents', documents)
             END,
             json_object('function', 'rerank', 'top_n', top_n, 'model', model, 'model_kwargs', model_kwargs,
                         'provider', provider),
             {statement}
         {end}
    END,
    '[{"index": "INTEGER", "score": "DOUBLE"}]'
) ELSE from_json('null', '[{"index": "INTEGER", "score": "DOUBLE"}]') END;
