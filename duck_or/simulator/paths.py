"""The paths of the three kinds of model call."""

from __future__ import annotations

API = "/api/v1"
CHAT, EMBEDDINGS, RERANK = f"{API}/chat/completions", f"{API}/embeddings", f"{API}/rerank"
MODEL_CALLS = frozenset({CHAT, EMBEDDINGS, RERANK})
