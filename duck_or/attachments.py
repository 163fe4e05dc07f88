"""Attachments: bytes or text in, a part of a message out, in the form the service takes.

Decides what a BLOB is (by its first bytes), whether models take that, and how it is written down. Reads no file and
fetches no URL. Must not know DuckDB, Arrow, the other arguments or the network.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from pybase64 import b64encode

from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, read_json, shown, without_nulls

IMAGES = {
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "image/jpeg"),
}
"""What models take: extension → MIME type."""

_OFFERED = "PNG, JPEG, GIF and WebP images"
_CURES = {
    "image/": "Convert it first",
    "audio/": "Use audio_part",
    "(.m4a)": "Use audio_part",
    "application/pdf": "Use file_part",
    "text": "Put text into the message itself",
}

DETAILS = ("auto", "low", "high", "original")

AUDIO = {
    ".wav": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".aac": "aac",
    **dict.fromkeys((".m4a", ".f4a"), "m4a"),
    **dict.fromkeys((".ogg", ".oga"), "ogg"),
    **dict.fromkeys((".aiff", ".aif", ".aifc"), "aiff"),
}
"""What can be told by its bytes: extension → the service's word."""

AUDIO_FORMATS = ("wav", "mp3", "flac", "m4a", "ogg", "aiff", "aac", "pcm16", "pcm24")

# An MPEG stream without a tag begins with a bit field, not with a magic number: (mask, value, format) of its second byte.
_MPEG_FRAMES = ((0xE6, 0xE2, "mp3"), (0xF6, 0xF0, "aac"))

# Text has no magic number, so its name decides. A table of our own: the standard library's differs from machine to
# machine, and the same row would have another cache key there.
TEXTS = {
    ".csv": "text/csv",
    ".htm": "text/html",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}

# What is in these, only the name tells: how they begin → what they are.
_CONTAINERS = {
    b"PK\x03\x04": "a zip file, perhaps a document",
    b"\xd0\xcf\x11\xe0": "a document of an older Office",
}

_START, _HEAD = 16, 512
"""Bytes that tell nearly all kinds (so few that many files begin with the same), and those that tell the others."""

_SURE = 0.3
"""The library's confidence where three bytes match: with two, chance is likely."""

# What text can be told to be by how it begins. `FORM 10-K` is no sound, although sounds begin with `FORM`.
_IN_TEXT = ("text/", "application/pdf")

_NOT_READ = "Files are never read by themselves: give a path's content, (SELECT content FROM read_blob('{}'))"


class Kind(NamedTuple):
    """Something that bytes may be. extension: with its dot. mime: may be empty. confidence: 0 to 0.8."""

    extension: str
    mime: str
    confidence: float


def image_part(content: object, detail: object = None) -> JsonObject:
    """A PNG, JPEG, GIF or WebP image as a part. content: its bytes, or an http(s): or data: URL. Raises ArgumentError."""
    if detail is not None and detail not in DETAILS:
        raise ArgumentError(f"image_part: detail must be one of {', '.join(DETAILS)}; got {_named(detail)}")
    url = _image_url(content) if isinstance(content, str) else _image_data(_bytes("image_part", content))
    return {"type": "image_url", "image_url": {"url": url} | ({"detail": detail} if detail else {})}


def image_parts(value: object) -> list[JsonObject]:
    """All images of `value` as parts: an image's bytes, its URL, a part (also as JSON text), or a list of these.

    NULL elements are left out. Raises ArgumentError.
    """
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[", '"'):  # no URL begins like this
        value = _json("images", value)
    if isinstance(value, list):
        return [part for element in value if element is not None for part in image_parts(element)]
    return [_as_it_is(value) if isinstance(value, dict) else image_part(value)]


def file_part(content: object, name: object = None) -> JsonObject:
    """A file as a part. content: its bytes, or an http(s): or data: URL. Raises ArgumentError.

    name: decides what the bytes do not tell (a text's format, what is in a zip). Of a path only the last piece is sent.
    """
    if not (name is None or isinstance(name, str)):
        raise ArgumentError(f"file_part: name must be text; got {_named(name)}")
    given = re.split(r"[/\\]", name)[-1] if name else ""
    if isinstance(content, str):
        url = _url("file_part", content, "report.pdf")
        return _file(given or _last_piece(url), url)
    data = _bytes("file_part", content)
    kind = _file_kind(data, given)
    return _file(given or f"file{kind.extension}", _data_url(kind.mime, data))


def _file(name: str, data: str) -> JsonObject:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def _last_piece(url: str) -> str:
    piece = "" if url[:5].lower() == "data:" else urlsplit(url).path.rpartition("/")[2]
    return unquote(piece) or "file"


def audio_part(content: object, audio_format: object = None) -> JsonObject:
    """A sound as a part. content: its bytes. audio_format: one of AUDIO_FORMATS. Raises ArgumentError."""
    if isinstance(content, str):
        raise ArgumentError(
            f"audio_part takes the sound itself, a BLOB: the service fetches no sound from a URL; got {shown(content)}. "
            + _NOT_READ.format("speech.mp3")
        )
    data = _bytes("audio_part", content)
    word = _audio_format(data) if audio_format is None else str(audio_format).lower()
    if word not in AUDIO_FORMATS:
        raise ArgumentError(
            f"audio_part: format must be one of {', '.join(AUDIO_FORMATS)}; got {_named(audio_format)}"
        )
    return {"type": "input_audio", "input_audio": {"data": b64encode(data).decode(), "format": word}}


def _image_url(text: str) -> str:
    url = _url("image_part", text, "cat.png")
    mime = re.match(r"data:([^;,]*)", url[:100], re.IGNORECASE)
    if mime and mime[1].lower() not in IMAGES.values():
        raise ArgumentError(f"image_part: models take {_OFFERED}; got a data: URL of {mime[1] or 'no type'}")
    return url


def _image_data(data: bytes) -> str:
    for kind in _best(kinds(data, _START)):
        if kind.extension in IMAGES:
            return _data_url(IMAGES[kind.extension], data)
    seems = _seems(data, "image/")
    raise ArgumentError(f"image_part: models take {_OFFERED}; this BLOB {seems}. {_image_cure(seems)}")


def _image_cure(seems: str) -> str:
    return next((cure for word, cure in _CURES.items() if word in seems), "Give the image's own bytes")


def _audio_format(data: bytes) -> str:
    for mask, value, word in _MPEG_FRAMES:
        if data[0] == 0xFF and data[1:2] and data[1] & mask == value:
            return word
    for kind in _best(kinds(data, _START)):
        if kind.extension in AUDIO and not _is_text(data):
            return AUDIO[kind.extension]
    raise ArgumentError(
        f"audio_part: this BLOB {_seems(data, 'audio/')}, not a sound of a known format. If it is one nevertheless, "
        f"name its format: audio_part(content, format := 'm4a'). There are {', '.join(AUDIO_FORMATS)}"
    )


def _file_kind(data: bytes, name: str) -> Kind:
    """What a file is. The bytes come first, but text may begin with anything, and containers hold anything."""
    suffix = f".{name.rpartition('.')[2].lower()}" if "." in name else ""
    text = _is_text(data)
    if suffix in TEXTS and text:
        return Kind(suffix, TEXTS[suffix], 1)
    found = kinds(data, _START) or kinds(data, _HEAD)
    if named := [kind for kind in found if suffix and kind.extension == suffix and kind.mime]:
        return named[0]
    sure = [kind for kind in found if kind.mime and kind.confidence >= _SURE]
    if suffix in TEXTS and not sure:
        return Kind(suffix, TEXTS[suffix], 1)
    likely = [kind for kind in sure if not text or kind.mime.startswith(_IN_TEXT)]
    if likely and not data.startswith(tuple(_CONTAINERS)):
        return likely[0]
    if text:
        return Kind(".txt", "text/plain", 1)
    raise ArgumentError(
        f"file_part: the bytes alone do not tell what this BLOB is (it {_seems(data, 'application/')}). "
        "Give a name that does: file_part(content, name := 'report.docx')"
    )


def kinds(data: bytes, reach: int) -> tuple[Kind, ...]:
    """What `data` may be by its first `reach` bytes, the likeliest first; empty if they tell nothing."""
    return _kinds(data[:reach])


@lru_cache(maxsize=1024)  # 0.4 ms without, and most images of one kind begin with the same 16 bytes
def _kinds(head: bytes) -> tuple[Kind, ...]:
    import puremagic  # at the first attachment: the import takes 20 to 60 ms

    try:
        found = puremagic.magic_string(
            head
        )  # never with a name: its version 2 would open a file of that name
    except puremagic.PureError:
        return ()
    return tuple(Kind(match.extension, match.mime_type, match.confidence) for match in found)


def _best(found: tuple[Kind, ...]) -> list[Kind]:
    """Those that are as likely as the likeliest."""
    return [kind for kind in found if kind.confidence == found[0].confidence]


def _seems(data: bytes, family: str) -> str:
    """What to say of bytes that do not fit. family: what was hoped for; nothing else is guessed from two bytes."""
    if data.startswith(tuple(_CONTAINERS)):
        return f"is {_CONTAINERS[data[:4]]}"
    best = [kind for kind in _best(kinds(data, _HEAD)) if kind.mime or kind.extension]
    hoped = [kind for kind in best if kind.mime.startswith(family)]
    text = _is_text(data)
    for kind in (*hoped, *best):
        sure = kind.confidence >= _SURE
        if (sure and kind.mime.startswith((family, *_IN_TEXT))) if text else (sure or kind in hoped):
            return f"seems to be {kind.mime or 'a file'} ({kind.extension})"
    return "seems to be text" if text else f"is of no known kind (it begins with {data[:8].hex(' ')})"


def _is_text(data: bytes) -> bool:
    try:
        return "\0" not in data.decode()
    except UnicodeDecodeError:
        return False


def _as_it_is(part: JsonObject) -> JsonObject:
    """A part that was made before."""
    kept: JsonObject = without_nulls(part)
    image = kept.get("image_url")
    if kept.get("type") != "image_url" or not (isinstance(image, dict) and isinstance(image.get("url"), str)):
        raise ArgumentError(
            "images takes image parts, {'type': 'image_url', 'image_url': {'url': …}}, as image_part makes them; "
            f"got an object whose type is {_named(kept.get('type'))}"
        )
    return kept


def _url(function: str, text: str, example: str) -> str:
    url = _json(function, text) if text.startswith('"') else text  # the text of a JSON column
    if isinstance(url, str) and url[:8].lower().startswith(("https://", "http://", "data:")):
        return url
    raise ArgumentError(
        f"{function} takes a BLOB, or an http(s): or data: URL; got {shown(url)}. {_NOT_READ.format(example)}"
    )


def _bytes(function: str, content: object) -> bytes:
    if not isinstance(content, bytes):
        raise ArgumentError(f"{function} takes a BLOB or a URL; got {_named(content)}")
    if not content:
        raise ArgumentError(f"{function}: the BLOB is empty (0 bytes)")
    return content


def _json(function: str, text: str) -> Any:
    try:
        return read_json(text)
    except ValueError as error:
        raise ArgumentError(f"{function}: {shown(text)} is not valid JSON ({error})") from error


def _named(value: object) -> str:
    """A value of any type, for error messages."""
    if value is None or isinstance(value, bool | int | float | str):
        return shown(value)
    return f"a value of type {type(value).__name__}"


def _data_url(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{b64encode(data).decode()}"
