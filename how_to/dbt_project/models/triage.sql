-- One row for each ticket: what it is about, and whether somebody is angry.
select
    id,
    message,
    classify(message, ['delivery', 'damage', 'payment', 'question', 'praise']) as topic,
    llm_filter(message, 'Is the writer angry?') as angry
from {{ ref('tickets') }}
