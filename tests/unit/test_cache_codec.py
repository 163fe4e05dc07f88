"""How answers are written down: every body comes back, what was in use is pinned, damage is noticed."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.cache.codec import DICTIONARY_1, RAW, ZSTD_1, Codec, DamagedError

SHORT_ANSWER = (
    b'{"id":"gen-1779474928-8Ot5WcaCbQBcu9Wvs6Up","object":"chat.completion","created":1779474928,'
    b'"model":"anthropic/claude-4.5-sonnet-20250929","provider":"Amazon Bedrock","system_fingerprint":null,'
    b'"choices":[{"index":0,"logprobs":null,"finish_reason":"stop","native_finish_reason":"end_turn",'
    b'"message":{"role":"assistant","content":"positive","refusal":null,"reasoning":null}}],'
    b'"usage":{"prompt_tokens":43,"completion_tokens":3,"total_tokens":46,"cost":0.000924,"is_byok":false}}'
)


@given(st.binary(max_size=5000) | st.text().map(str.encode))
def test_every_body_comes_back(body: bytes) -> None:
    codec = Codec()
    form, blob = codec.encode(body)
    assert codec.decode(form, len(body), blob) == body
    assert len(blob) <= len(body)


def test_a_short_answer_is_mostly_dictionary() -> None:
    form, blob = Codec().encode(SHORT_ANSWER)
    assert form == ZSTD_1
    assert len(blob) < len(SHORT_ANSWER) / 3


def test_a_blob_written_once_can_be_read_for_ever() -> None:
    """A changed dictionary would make every stored answer unreadable: it needs a new format number instead."""
    assert hashlib.sha256(DICTIONARY_1).hexdigest() == (
        "d3c5bb39667a9b181159101bca5f86dfea5add6cf48bbbce327e67b24d0ecf95"
    )
    assert (
        Codec().decode(ZSTD_1, 41, bytes.fromhex("28b52ffd24296d0000187b5d7d0200674401cc6e71052973ec09"))
        == b'{"object":"chat.completion","choices":[]}'
    )


def test_every_changed_byte_is_noticed() -> None:
    codec = Codec()
    form, blob = codec.encode(SHORT_ANSWER)
    for place in range(len(blob)):
        changed = blob[:place] + bytes([blob[place] ^ 0x55]) + blob[place + 1 :]
        try:
            assert codec.decode(form, len(SHORT_ANSWER), changed) == SHORT_ANSWER  # a bit that means nothing
        except DamagedError:
            continue


@pytest.mark.parametrize(
    ("form", "size", "blob"),
    [
        (RAW, 3, b"ab"),
        (RAW, 2, "ab"),
        (RAW, None, None),
        (ZSTD_1, 10, b"not a frame at all"),
        (ZSTD_1, 10, b""),
        (ZSTD_1, 10, None),
        (ZSTD_1, 10, 7),
        (ZSTD_1, len(SHORT_ANSWER) + 1, Codec().encode(SHORT_ANSWER)[1]),
        (ZSTD_1, len(SHORT_ANSWER), Codec().encode(SHORT_ANSWER)[1][:-9]),
        (99, 2, b"ab"),
        (None, 2, b"ab"),
        ("1", 2, b"ab"),
    ],
)
def test_garbage_is_damaged(form: object, size: object, blob: object) -> None:
    with pytest.raises(DamagedError):
        Codec().decode(form, size, blob)
