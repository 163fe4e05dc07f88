-- The model's text. images: BLOBs, URLs or parts made by image_part(), one or a list.

{create} {schema}"{name}"(
    {mark}text, model := NULL, system := NULL, images := NULL, model_kwargs := NULL, provider := NULL
) AS {call}
    CASE WHEN images IS NULL OR text IS NULL THEN to_json(text::VARCHAR)
         ELSE json_object('text', text::VARCHAR, 'images', __duck_or_image_parts(images))
    END,
    json_object('function', 'prompt', 'model', model, 'system', system, 'model_kwargs', model_kwargs,
                'provider', provider),
    {statement}
{end};
