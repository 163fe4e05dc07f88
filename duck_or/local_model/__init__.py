"""A small language model on this machine, behind a llama.cpp server: real answers without an account.

`find` says where server and weights are; `LocalServer` runs them. Neither is a dependency of this package.
"""

from duck_or.local_model.finding import (
    MODEL_VARIABLE,
    SERVER_VARIABLE,
    LocalModel,
    LocalModelError,
    NotInstalled,
    find,
)
from duck_or.local_model.server import LocalServer, ServerFailed

__all__ = [
    "MODEL_VARIABLE",
    "SERVER_VARIABLE",
    "LocalModel",
    "LocalModelError",
    "LocalServer",
    "NotInstalled",
    "ServerFailed",
    "find",
]
