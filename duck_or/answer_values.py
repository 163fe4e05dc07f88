"""The text and the vector in an answer, in the forms in which services send them: judged and read by the same rules.

Believes no type. What an answer is wanted for, it must not know.
"""

from __future__ import annotations

import struct

import pybase64

from duck_or.lenient import mapping_of

FLOAT_BYTES = 4


def text_of_content(content: object) -> str:
    """A message's text: a string, or the text parts of a list, joined; empty where there is none."""
    if isinstance(content, list):
        texts = (mapping_of(part).get("text") for part in content)
        return "".join(text for text in texts if isinstance(text, str))
    return content if isinstance(content, str) else ""


def vector_bytes(value: object) -> bytes:
    """A vector as little-endian 32-bit floats, out of base64 (OpenAI's are little-endian too) or a list of numbers.

    Raises ValueError where it is neither, is empty, or holds a number that no such float can be.
    """
    if isinstance(value, str):
        vector = pybase64.b64decode(value, validate=True)
    elif isinstance(value, list) and all(type(each) in (int, float) for each in value):
        try:
            vector = struct.pack(f"<{len(value)}f", *value)
        except (struct.error, OverflowError) as error:
            raise ValueError(f"it holds no 32-bit float: {error}") from error
    else:
        raise ValueError("it is neither base64 nor a list of numbers")
    if not vector or len(vector) % FLOAT_BYTES:
        raise ValueError(f"its {len(vector)} bytes are no 32-bit floats")
    return vector
