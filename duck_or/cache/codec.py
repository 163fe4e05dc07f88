"""How an answer's bytes are written down: a format number and a blob. Nothing here knows of files or SQL.

Answers are compressed one by one, since they are read one by one, with zstd level 3 and a dictionary of what every
answer has in common. Measured: of 2 kB of prose and JSON the dictionary leaves 45 %, zstd without it 55 % (level 1 within
1 % of level 3) and reads 10 % faster; of a one-word answer of 600 bytes 22 % against 60 %. Formats and dictionaries in
use are for ever: a better one gets a new number.
"""

from __future__ import annotations

import zstandard

RAW = 0
"""The bytes themselves: where compression would not make them fewer."""

ZSTD_1 = 1
"""One zstd frame with checksum and content size, made with DICTIONARY_1."""

LEVEL = 3

DICTIONARY_1 = (
    b'{"error":null,"text":"","tool_calls":[{"id":"call_","type":"function","function":{"name":"","arguments":"{\\"'
    b'"annotations":[],"audio":null,"function_call":null,"service_tier":"default","prompt_logprobs":null,'
    b'"timings":{"prompt_n":,"prompt_ms":,"predicted_n":,"predicted_ms":},"system_fingerprint":"fp_","stop_reason":null,'
    b'"native_finish_reason":"end_turn","native_finish_reason":"STOP","finish_reason":"tool_calls",'
    b'"reasoning_details":[{"type":"reasoning.text","text":"","format":"anthropic-claude-v1","signature":"","index":0}]'
    b'"reasoning_details":[{"type":"reasoning.summary","summary":"","format":"openai-responses-v1","index":0}]'
    b'```json\\n{\\"\\": \\"\\", \\"\\n```"}],"content":"{\\"sentiment\\":\\"positive\\",\\"category\\":\\"negative\\",'
    b'"content":"The ","provider":"Amazon Bedrock","provider":"Google","provider":"Anthropic","provider":"DeepInfra",'
    b'"model":"anthropic/claude-","model":"google/gemini-","model":"deepseek/deepseek-","model":"meta-llama/llama-'
    b'-instruct","id":"chatcmpl-{"id":"gen-17","object":"chat.completion","created":17,"model":"openai/gpt-'
    b'","provider":"OpenAI","system_fingerprint":null,"service_tier":null,"choices":[{"index":0,"logprobs":null,'
    b'"finish_reason":"stop","native_finish_reason":"completed","message":{"role":"assistant","content":"","refusal":null,'
    b'"reasoning":null}}],"usage":{"prompt_tokens":,"completion_tokens":,"total_tokens":,"cost":0.000,"is_byok":false,'
    b'"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":0,"audio_tokens":0,"video_tokens":0},'
    b'"cost_details":{"upstream_inference_cost":null,"upstream_inference_prompt_cost":0.000,'
    b'"upstream_inference_completions_cost":0.000},'
    b'"completion_tokens_details":{"reasoning_tokens":0,"image_tokens":0,"audio_tokens":0}}}'
)


class DamagedError(ValueError):
    """These bytes are not what was written."""


class Codec:
    """Not for several threads at once: a zstd context is not."""

    def __init__(self) -> None:
        shared = zstandard.ZstdCompressionDict(DICTIONARY_1, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        shared.precompute_compress(level=LEVEL)
        self._compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=shared, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=shared)

    def encode(self, body: bytes) -> tuple[int, bytes]:
        """The format number and the blob."""
        packed: bytes = self._compressor.compress(body)
        return (ZSTD_1, packed) if len(packed) < len(body) else (RAW, body)

    def decode(self, form: object, size: object, blob: object) -> bytes:
        """The body again. size: its length, which is checked first. Anything may stand in a damaged file: DamagedError."""
        if form == RAW and isinstance(blob, bytes) and len(blob) == size:
            return blob
        if form == ZSTD_1 and isinstance(blob, bytes):
            try:
                # A frame tells its content's size, and that much memory is taken: believe it only if the row agrees.
                if zstandard.frame_content_size(blob) == size:
                    body: bytes = self._decompressor.decompress(blob)
                    return body
            except zstandard.ZstdError as error:
                raise DamagedError(str(error)) from error
        raise DamagedError(f"format {form!r}, {size!r} bytes")
