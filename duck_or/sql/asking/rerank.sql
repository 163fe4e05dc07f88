-- The documents' places, from 1, and scores: the best first.

{create} {schema}"{name}"(
    {mark}query, documents, model := NULL, top_n := NULL, model_kwargs := NULL, provider := NULL
) AS from_json(
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
);
