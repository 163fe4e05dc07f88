"""Messages for people: what the service said, what the upstream provider said, what to do. No secrets, no novels."""

from __future__ import annotations

import re

MESSAGE_LIMIT = 1000  # characters of the service's own message
UPSTREAM_LIMIT = 500  # characters of what the upstream provider said

# Services echo credentials ("Incorrect API key provided: sk-…"). The classifier does not know the key, so it removes
# whatever looks like one. "Bearer authentication is missing" must stay readable: a value has a digit or is long.
_SECRETS = re.compile(
    r"""
      (?<![a-z0-9]) sk-[\w\-*.]{8,}                                                  # keys of the sk- family
    | \b (?:bearer|basic) \s+ (?: (?=\S*\d) [\w\-+/=.~*]{8,} | [\w\-+/=.~*]{16,} )  # Authorization values
    | (?<=//) [^/\s@]+ @                                                             # a password inside a URL
    """,
    re.IGNORECASE | re.VERBOSE,
)
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


def tidy(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """One line of at most `limit` characters, without anything that looks like a credential."""
    line = _SECRETS.sub("[removed]", " ".join(text[: 4 * limit].split()))
    return line if len(line) <= limit else line[: limit - 1] + "…"


def text_of_body(body: bytes) -> str:
    """What a body that is not JSON says: an HTML page's title, else its beginning."""
    text = body[: 4 * UPSTREAM_LIMIT].decode("utf-8", "replace")
    title = _TITLE.search(text)
    return tidy(title[1] if title else text, UPSTREAM_LIMIT)


def sentences(*parts: str) -> str:
    """The parts that say something, each ended by a full stop."""
    return " ".join(part if part[-1] in ".!?…:" else part + "." for part in parts if part)
