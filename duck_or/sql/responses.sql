-- What is in a response, be it an answer, the {"error": …} of try_chat_completions, or NULL. {create} and {schema} as in
-- family.py. The argument is JSON, or text that holds JSON.
--
-- Each macro names its argument once, however often it looks at the piece it takes out: DuckDB evaluates an argument that
-- stands twice in a CASE twice in a WHERE, and the argument may be a call. list_transform([piece], lambda x: …)[1] is how
-- SQL says "let x be". Nothing here is volatile (error() would be): what is not JSON fails in the cast, which shows it.

-- The first choice's text; of a list of parts, their texts joined. NULL where there is none.
{create} {schema}chat_text(response) AS list_transform(
    [json_extract(response, '$.choices[0].message.content')],
    lambda content: CASE json_type(content)
        WHEN 'VARCHAR' THEN json_extract_string(content, '$')
        WHEN 'ARRAY' THEN list_aggregate(json_extract_string(content, '$[*].text'), 'string_agg', '')
    END
)[1];

-- The text as JSON, without the ``` fences that models put around it. An error where it is something else.
{create} {schema}chat_json(response) AS CAST(
    regexp_replace({schema}chat_text(response), '(?is)^\s*```(?:json)?\s*?\n(.*?)\s*```\s*$', '\1') AS JSON
);

-- The tools the model calls, in order; an empty list where it calls none. Some providers write no arguments as '', some
-- servers write arguments as an object instead of as text.
{create} {schema}chat_tool_calls(response) AS list_transform(
    CAST(json_extract(response, '$.choices[0].message.tool_calls[*]') AS JSON[]),  -- also where NULL has no type
    lambda tool_call: {
        'id': json_extract_string(tool_call, '$.id'),
        'name': json_extract_string(tool_call, '$.function.name'),
        'arguments': CAST(CASE json_extract_string(tool_call, '$.function.arguments')
            WHEN '' THEN '{}' ELSE json_extract_string(tool_call, '$.function.arguments') END AS JSON)
    }
);

-- Why there is no answer. NULL where there is one; some servers send "error": null with every answer.
{create} {schema}chat_error(response) AS list_filter(
    [json_extract(response, '$.error')], lambda reason: json_type(reason) <> 'NULL'
)[1];

-- What the answer took, NULL where the service does not say. Costs are US dollars.
{create} {schema}chat_usage(response) AS list_transform(
    [json_extract(response, '$.usage')],
    lambda used: CASE WHEN json_type(used) = 'OBJECT' THEN {
        'prompt_tokens': TRY_CAST(json_extract_string(used, '$.prompt_tokens') AS BIGINT),
        'completion_tokens': TRY_CAST(json_extract_string(used, '$.completion_tokens') AS BIGINT),
        'total_tokens': TRY_CAST(json_extract_string(used, '$.total_tokens') AS BIGINT),
        'cached_tokens': TRY_CAST(json_extract_string(used, '$.prompt_tokens_details.cached_tokens') AS BIGINT),
        'reasoning_tokens':
            TRY_CAST(json_extract_string(used, '$.completion_tokens_details.reasoning_tokens') AS BIGINT),
        'cost': TRY_CAST(json_extract_string(used, '$.cost') AS DOUBLE)
    } END
)[1];
