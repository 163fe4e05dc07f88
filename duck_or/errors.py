"""The error tree. Every class has a stable `code`, the same word in Python, in the JSON column and in the tables.

    DuckOrError
    ├── SettingsError          settings        a setting is missing, misspelt or out of range
    ├── ArgumentError          bad_argument    a row's SQL arguments cannot become a request
    ├── TransportError         network         no HTTP response: connection refused, reset, cut off
    │   └── DeadlineExceeded   timeout         the attempt's wall-clock deadline passed
    ├── RequestFailed          (the failure's) a row failed and `on_error` is 'raise'
    │   └── StatementStopped   (the failure's) every further row would fail the same way: nothing more is sent
    ├── Cancelled              cancelled       Ctrl-C, or the session was told to stop
    └── SessionClosed          session_closed  the session behind the SQL function was closed

A row's failure travels as a value (`outcome.Failure`) and becomes an exception only in the SQL layer. No message ever
holds the API key.
"""

from __future__ import annotations

from typing import ClassVar


class DuckOrError(Exception):
    """Base of every error this package raises on purpose."""

    code: ClassVar[str] = "duck_or"


class SettingsError(DuckOrError):
    code = "settings"


class ArgumentError(DuckOrError):
    code = "bad_argument"


class TransportError(DuckOrError):
    """The request may or may not have reached the service; no response came back."""

    code = "network"


class DeadlineExceeded(TransportError):
    code = "timeout"


class RequestFailed(DuckOrError):
    code = "request_failed"


class StatementStopped(RequestFailed):
    code = "statement_stopped"


class Cancelled(DuckOrError):
    code = "cancelled"


class SessionClosed(DuckOrError):
    code = "session_closed"
