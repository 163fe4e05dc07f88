-- One row for each ticket: what it is about, and whether somebody is angry.
select
    id,
    message,
    classify(
        message,
        ['delivery', 'damage', 'payment', 'question', 'praise'],
        model_kwargs := {'max_tokens': 1000}
    ) as topic,
    llm_filter(message, 'Is the writer angry?', model_kwargs := {'max_tokens': 1000}) as angry
from {{ ref('tickets') }}
