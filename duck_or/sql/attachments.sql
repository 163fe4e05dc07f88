-- Parts of a message out of BLOBs and URLs. {create} and {schema} as in family.py. Nothing is cast here, so that the functions
-- see what a value is: a BLOB is attached, a text is a URL.
--
-- [value][1] is the value, copied (see `family.BORROWED`).

{create} {schema}image_part(blob_or_url, detail := NULL) AS [__duck_or_image_part(blob_or_url, detail)][1];
{create} {schema}file_part(blob_or_url, name := NULL) AS [__duck_or_file_part(blob_or_url, name)][1];
{create} {schema}audio_part(blob, format := NULL) AS [__duck_or_audio_part(blob, format)][1];
