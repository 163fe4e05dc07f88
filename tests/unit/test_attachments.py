"""What a BLOB is, whether models take it, and how it is written into a message."""

from __future__ import annotations

import base64
import io
import os
import wave
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.attachments import (
    AUDIO_FORMATS,
    DETAILS,
    audio_part,
    file_part,
    image_part,
    image_parts,
)
from duck_or.errors import ArgumentError

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
ZEROS = bytes(40)


def brand(word: bytes) -> bytes:
    """The head of an ISO media file (MP4, HEIC, AVIF …)."""
    return b"\0\0\0\x20ftyp" + word + bytes(4) + word + b"mif1" + ZEROS


def wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(ZEROS)
    return file.getvalue()


IMAGES = {
    "png": (PNG, "image/png"),
    "jfif": (b"\xff\xd8\xff\xe0\0\x10JFIF\0" + ZEROS, "image/jpeg"),
    "exif": (b"\xff\xd8\xff\xe1\0\x18Exif\0\0II*\0" + ZEROS, "image/jpeg"),
    "bare jpeg": (b"\xff\xd8\xff\xdb\0C\0" + ZEROS, "image/jpeg"),
    "gif87": (b"GIF87a\1\0\1\0\0\0\0;", "image/gif"),
    "gif89": (b"GIF89a\1\0\1\0\0\0\0;", "image/gif"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 " + ZEROS, "image/webp"),
    "webp, lossless": (b"RIFF\x99\1\0\0WEBPVP8L" + ZEROS, "image/webp"),
}
NO_IMAGES = {
    "tiff": (b"II*\0\x08\0\0\0" + ZEROS, r"image/tiff.*Convert it first"),
    "bmp": (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0" + ZEROS, r"image/x-ms-bmp.*Convert it first"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', r"image/svg\+xml.*Convert it first"),
    "heic": (brand(b"heic"), r"image/heif.*Convert it first"),
    "avif": (brand(b"avif"), r"image/avif.*Convert it first"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + ZEROS, r"\.jp2.*Convert it first"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", r"application/pdf.*Use file_part"),
    "mp3": (b"ID3\4\0" + ZEROS, r"audio/mpeg.*Use audio_part"),
    "zip": (b"PK\3\4\x14\0" + ZEROS, r"is a zip file"),
    "text": (b"BMW and Opel", r"seems to be text"),
    "noise": (b"\x81\x07\x99\xfe" + ZEROS, r"no known kind \(it begins with 81 07 99 fe"),
}
SOUNDS = {
    "wav": (wav(), "wav"),
    "mp3, tagged": (b"ID3\4\0\0\0\0\0\0" + ZEROS, "mp3"),
    "mp3, MPEG 1": (b"\xff\xfb\x90\x64" + ZEROS, "mp3"),
    "mp3, MPEG 1 with checksum": (b"\xff\xfa\x90\x64" + ZEROS, "mp3"),
    "mp3, MPEG 2": (b"\xff\xf3\x40\xc4" + ZEROS, "mp3"),
    "mp3, MPEG 2.5": (b"\xff\xe3\x40\xc4" + ZEROS, "mp3"),
    "aac, MPEG 4": (b"\xff\xf1\x50\x80" + ZEROS, "aac"),
    "aac, MPEG 2": (b"\xff\xf9\x50\x80" + ZEROS, "aac"),
    "flac": (b'fLaC\0\0\0"' + ZEROS, "flac"),
    "m4a": (brand(b"M4A "), "m4a"),
    "ogg": (b"OggS\0\2" + ZEROS, "ogg"),
    "aiff": (b"FORM\0\0\0\x2eAIFFCOMM" + ZEROS, "aiff"),
    "aifc": (b"FORM\0\0\0\x2eAIFCFVER" + ZEROS, "aiff"),
}
FILES = {  # bytes, name → MIME type, the name that is sent
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", None, "application/pdf", "file.pdf"),
    "pdf in ASCII": (b"%PDF-1.4\n1 0 obj\n", "r.pdf", "application/pdf", "r.pdf"),
    "pdf with another name": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "r.csv", "application/pdf", "r.csv"),
    "csv": (b"a,b\n1,2\n", "sales.csv", "text/csv", "sales.csv"),
    "csv in Latin-1": (b"stra\xdfe;nr\n", "s.CSV", "text/csv", "s.CSV"),
    "tsv in UTF-16": ("a\tb".encode("utf-16"), "a.tsv", "text/tab-separated-values", "a.tsv"),
    "csv that begins like an image": (b"BMW,1\n", "cars.csv", "text/csv", "cars.csv"),
    "csv that begins like a sound": (b"ID3,4\n", "cars.csv", "text/csv", "cars.csv"),
    "markdown": (b"# Title\n", "a.md", "text/markdown", "a.md"),
    "json": (b'{"a": 1}', "a.json", "application/json", "a.json"),
    "text without a name": ("grün".encode(), None, "text/plain", "file.txt"),
    "text that begins like a sound": (b"FORM 10-K", None, "text/plain", "file.txt"),
    "text of a strange name": (b"x = 1", "main.zig", "text/plain", "main.zig"),
    "png": (PNG, None, "image/png", "file.png"),
    "docx": (
        b"PK\3\4\x14\0" + ZEROS,
        "a.docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "a.docx",
    ),
    "xlsx": (
        b"PK\3\4\x14\0\6\0\x08\0\0\0!\0" + bytes(16) + b"[Content_Types].xml",
        "a.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "a.xlsx",
    ),
    "a path": (b"%PDF-1.7", "/home/ann/secret/r.pdf", "application/pdf", "r.pdf"),
    "a path of Windows": (b"%PDF-1.7", r"C:\Users\ann\r.pdf", "application/pdf", "r.pdf"),
}


def data_url(url: str) -> tuple[str, bytes]:
    """(MIME type, bytes)"""
    mime, _, encoded = url.removeprefix("data:").partition(";base64,")
    return mime, base64.b64decode(encoded, validate=True)


@pytest.mark.parametrize(("data", "mime"), IMAGES.values(), ids=IMAGES)
def test_an_image_becomes_a_data_url(data: bytes, mime: str) -> None:
    part = image_part(data)
    assert list(part) == ["type", "image_url"]
    assert part["type"] == "image_url"
    assert data_url(part["image_url"].pop("url")) == (mime, data)
    assert part["image_url"] == {}


@pytest.mark.parametrize(("data", "message"), NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_models_do_not_take_is_named(data: bytes, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"PNG, JPEG, GIF and WebP.*{message}"):
        image_part(data)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/cat.png", "http://x/y", "HTTPS://EXAMPLE.COM/C", "data:image/png;base64,AA=="],
)
def test_a_url_stays_as_it_is(url: str) -> None:
    assert image_part(url) == {"type": "image_url", "image_url": {"url": url}}
    assert image_part(f'"{url}"') == image_part(url)  # the text of a JSON column


@pytest.mark.parametrize(
    "text", ["cat.png", "/etc/passwd", "file:///etc/passwd", "ftp://x/y", "~/cat.png", ""]
)
@pytest.mark.parametrize(("part", "example"), [(image_part, "cat.png"), (file_part, "report.pdf")])
def test_a_path_is_not_read(part: Any, example: str, text: str) -> None:
    with pytest.raises(ArgumentError, match=rf"never read by themselves.*read_blob\('{example}'\)"):
        part(text)


def test_a_file_that_exists_is_not_read_either(tmp_path: Path) -> None:
    there = tmp_path / "cat.png"
    there.write_bytes(PNG)
    with pytest.raises(ArgumentError, match="never read"):
        image_part(os.fspath(there))
    there.write_bytes(b"<html></html>")
    assert data_url(file_part(PNG, str(there))["file"]["file_data"]) == ("image/png", PNG)


def test_a_data_url_of_something_else_is_no_image() -> None:
    with pytest.raises(ArgumentError, match=r"PNG, JPEG.*data: URL of image/tiff"):
        image_part("data:image/tiff;base64,AA==")


@pytest.mark.parametrize("detail", DETAILS)
def test_detail(detail: str) -> None:
    assert image_part(PNG, detail)["image_url"]["detail"] == detail


@pytest.mark.parametrize("detail", ["hi", "", 3, b"low", ["low"]])
def test_no_such_detail(detail: object) -> None:
    with pytest.raises(ArgumentError, match="detail must be one of auto, low, high, original; got"):
        image_part(PNG, detail)


@pytest.mark.parametrize("part", [image_part, file_part, audio_part])
@pytest.mark.parametrize("value", [5, 1.5, True, [PNG], {"a": PNG}])
def test_no_attachment_at_all(part: Any, value: object) -> None:
    with pytest.raises(ArgumentError, match="takes a BLOB or a URL; got"):
        part(value)


@pytest.mark.parametrize("part", [image_part, image_parts, file_part, audio_part])
def test_an_empty_blob_is_an_error(part: Any) -> None:
    with pytest.raises(ArgumentError, match=r"the BLOB is empty \(0 bytes\)"):
        part(b"")


def test_images_of_every_form() -> None:
    part, link = image_part(PNG), image_part("https://x/y")
    assert image_parts(PNG) == image_parts(part) == image_parts([PNG]) == [part]
    assert image_parts("https://x/y") == [link]
    assert image_parts([PNG, None, "https://x/y", part]) == [part, link, part]
    assert image_parts('{"type":"image_url","image_url":{"url":"https://x/y"}}') == [link]
    assert image_parts('["https://x/y",{"type":"image_url","image_url":{"url":"https://x/y"}}]') == [
        link,
        link,
    ]
    assert image_parts({"type": "image_url", "image_url": {"url": "https://x/y", "detail": None}}) == [link]
    assert image_parts([]) == image_parts([None]) == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "x"},
        {"type": "image_url", "image_url": "https://x"},
        {"type": "image_url", "image_url": {"url": None}},
        {"type": b"image_url"},
        {},
    ],
)
def test_images_takes_image_parts_only(part: object) -> None:
    with pytest.raises(ArgumentError, match="images takes image parts"):
        image_parts([part])


def test_images_that_are_broken_json() -> None:
    with pytest.raises(ArgumentError, match="not valid JSON"):
        image_parts('["https://x"')


@pytest.mark.parametrize(("data", "name", "mime", "sent"), FILES.values(), ids=FILES)
def test_a_file(data: bytes, name: str | None, mime: str, sent: str) -> None:
    part = file_part(data, name)
    assert part["type"] == "file"
    assert part["file"]["filename"] == sent
    assert data_url(part["file"]["file_data"]) == (mime, data)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PK\3\4" + ZEROS, None),
        (b"PK\3\4" + ZEROS, "a.blob"),
        (b"\xd0\xcf\x11\xe0" + ZEROS, None),
        (b"\x81\x07", "a"),
    ],
)
def test_a_file_that_only_a_name_can_tell(data: bytes, name: str | None) -> None:
    with pytest.raises(ArgumentError, match=r"bytes alone do not tell.*name := 'report\.docx'"):
        file_part(data, name)


@pytest.mark.parametrize(
    ("url", "name", "sent"),
    [
        ("https://x/a%20b/r%20s.pdf?q=a/b#c", None, "r s.pdf"),
        ("https://x/r.pdf", "other.pdf", "other.pdf"),
        ("https://x", None, "file"),
        ("https://x/y/", "", "file"),
        ("data:application/pdf;base64,AA/BB==", None, "file"),
    ],
)
def test_a_file_by_url(url: str, name: str | None, sent: str) -> None:
    assert file_part(url, name)["file"] == {"filename": sent, "file_data": url}


def test_a_name_is_text() -> None:
    with pytest.raises(ArgumentError, match="name must be text; got number 3"):
        file_part(PNG, 3)


@pytest.mark.parametrize(("data", "audio_format"), SOUNDS.values(), ids=SOUNDS)
def test_a_sound(data: bytes, audio_format: str) -> None:
    part = audio_part(data)
    assert part == {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(data).decode(), "format": audio_format},
    }


@pytest.mark.parametrize(
    "data", [PNG, brand(b"mp42"), b"FORM 10-K", b"\x81", b"\xff", b"\xff\xfd\0\0", b"\xff\xd8\xff\xe0"]
)
def test_no_sound(data: bytes) -> None:
    with pytest.raises(ArgumentError, match=r"not a sound of a known format.*format := 'm4a'.*wav, mp3"):
        audio_part(data)


@pytest.mark.parametrize("audio_format", [*AUDIO_FORMATS, "MP3"])
def test_a_given_format_is_believed(audio_format: str) -> None:
    assert audio_part(ZEROS, audio_format)["input_audio"]["format"] == audio_format.lower()


@pytest.mark.parametrize("audio_format", ["mp4", "", 3, b"mp3"])
def test_no_such_format(audio_format: object) -> None:
    with pytest.raises(ArgumentError, match=r"format must be one of wav, mp3.*; got"):
        audio_part(ZEROS, audio_format)


@pytest.mark.parametrize("text", ["https://x/y.mp3", "y.mp3", "data:audio/mp3;base64,AA=="])
def test_sound_has_no_url(text: str) -> None:
    with pytest.raises(ArgumentError, match=r"no sound from a URL.*read_blob\('speech\.mp3'\)"):
        audio_part(text)


@given(st.binary(min_size=1, max_size=64), st.none() | st.text(max_size=12))
def test_any_bytes_come_back_whole_or_are_an_argument_error(data: bytes, name: str | None) -> None:
    for part in (lambda: image_part(data), lambda: file_part(data, name)):
        try:
            [content] = [value for key, value in part().items() if key != "type"]
        except ArgumentError:
            continue
        mime, sent = data_url(content.get("url") or content["file_data"])
        assert sent == data
        assert "/" in mime
