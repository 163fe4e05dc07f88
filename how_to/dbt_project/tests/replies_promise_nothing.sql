-- A model judges, and it may be wrong: this warns and does not fail.
{{ config(severity='warn') }}

select id, reply
from {{ ref('replies') }}
where llm_filter(reply, 'Does this promise a refund or a replacement?', model_kwargs := {'max_tokens': 1000})
