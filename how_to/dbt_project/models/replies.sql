-- Asks only for tickets that have no reply yet.
{{ config(materialized='incremental', unique_key='id') }}

select
    id,
    prompt(
        message,
        system := 'You work for a shop that sells kettles and cups. Answer in two friendly sentences. Promise nothing.',
        model_kwargs := {'max_tokens': 200}
    ) as reply
from {{ ref('triage') }}
where topic <> 'praise'
{% if is_incremental() %}
  and id not in (select id from {{ this }})
{% endif %}
