"""Which models and providers there are, what they cost, and which of them a request's `model` means.

Prices are USD per token, written as strings like OpenRouter's. They looked like this in 2026 and are not kept up to
date: the simulator's arithmetic is faithful, its price list is an example.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from duck_or.simulator.faults import FAULTS

PROVIDERS: dict[str, str] = {  # slug → name
    "alibaba": "Alibaba",
    "amazon-bedrock": "Amazon Bedrock",
    "anthropic": "Anthropic",
    "azure": "Azure",
    "cohere": "Cohere",
    "deepinfra": "DeepInfra",
    "deepseek": "DeepSeek",
    "google-ai-studio": "Google AI Studio",
    "google-vertex": "Google",
    "groq": "Groq",
    "mistral": "Mistral",
    "openai": "OpenAI",
    "simulator": "Simulator",
    "together": "Together",
    "venice": "Venice",
}

_CHAT_PARAMETERS = (
    *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "frequency_penalty"),
    *(
        "presence_penalty",
        "response_format",
        "structured_outputs",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
    ),
)


@dataclass(frozen=True, slots=True)
class Model:
    """One entry of the catalogue.

    permaslug: the dated name that comes back in a response. providers: slugs, the preferred one first.
    prompt, completion: USD per token, as strings. stop_word: the provider's own finish reason for `stop`.
    request: USD per request, which for a rerank model is a search of up to a hundred documents.
    thinks: the fewest and the most tokens of reasoning before an answer. default_limit: the provider's `max_tokens` for
    requests without one. longest: tokens of its longest answer, None where nothing is listed. about: what is peculiar to it.
    fault: name of the fault this model always (or, with `fault_once`, at first) answers with.
    """

    id: str
    name: str
    permaslug: str
    providers: tuple[str, ...]
    prompt: str
    completion: str
    context: int
    created: int
    stop_word: str = "stop"
    inputs: tuple[str, ...] = ("text",)
    output: str = "text"
    parameters: tuple[str, ...] = _CHAT_PARAMETERS
    request: str = "0"
    thinks: tuple[int, int] | None = None
    default_limit: int | None = None
    longest: int | None = None
    about: str = "Answers are made up, prices are an example."
    fault: str | None = None
    fault_once: bool = False

    @property
    def free(self) -> bool:
        return self.id.endswith(":free")

    def listing(self) -> dict[str, Any]:
        """This model as an element of `GET /models` (reference §3)."""
        inputs = "+".join(self.inputs)
        return {
            "id": self.id,
            "canonical_slug": self.permaslug,
            "hugging_face_id": None,
            "name": self.name,
            "created": self.created,
            "description": f"{self.name}, simulated. {self.about}",
            "context_length": self.context,
            "architecture": {
                "modality": f"{inputs}->{self.output}",
                "input_modalities": list(self.inputs),
                "output_modalities": [self.output],
                "tokenizer": "Other",
                "instruct_type": None,
            },
            "pricing": self.pricing(),
            "top_provider": {
                "context_length": self.context,
                "max_completion_tokens": self.longest,
                "is_moderated": self.providers[0] == "openai",
            },
            "per_request_limits": None,
            "supported_parameters": list(self.parameters),
            "default_parameters": None,
            "supported_voices": None,
            "knowledge_cutoff": None,
            "expiration_date": None,
            "links": {"details": f"/api/v1/models/{self.permaslug}/endpoints"},
        }

    def pricing(self) -> dict[str, str]:
        return {"prompt": self.prompt, "completion": self.completion, "request": self.request, "image": "0"}

    def endpoints(self) -> list[dict[str, Any]]:
        """The `endpoints` of `GET /models/{author}/{slug}/endpoints`."""
        return [
            {
                "name": f"{PROVIDERS[slug]} | {self.permaslug}",
                "model_id": self.id,
                "model_name": self.name,
                "provider_name": PROVIDERS[slug],
                "tag": slug,
                "quantization": "unknown",
                "context_length": self.context,
                "max_completion_tokens": self.longest,
                "max_prompt_tokens": None,
                "pricing": self.pricing(),
                "supported_parameters": list(self.parameters),
                "status": 0,
                "uptime_last_30m": 99.9,
                "supports_implicit_caching": False,
            }
            for slug in self.providers
        ]


_IMAGE = ("text", "image")
_MANY = ("text", "image", "file", "audio", "video")
_FILES = ("text", "image", "file")
_THINKING = (*_CHAT_PARAMETERS, "reasoning", "include_reasoning", "reasoning_effort")
_GOOGLE = ("google-vertex", "google-ai-studio")
_CLAUDE = ("anthropic", "amazon-bedrock", "google-vertex")
_ENDLESS = 1 << 40
_LLAMA = "meta-llama/llama-3.3-70b-instruct"

# fmt: off
_LISTED = (
    Model("openai/gpt-5", "OpenAI: GPT-5", "openai/gpt-5-2025-08-07", ("openai", "azure"), "0.00000125", "0.00001", 400_000, 1754587413, "completed", _FILES, longest=128_000),
    Model("openai/gpt-5-mini", "OpenAI: GPT-5 Mini", "openai/gpt-5-mini-2025-08-07", ("openai", "azure"), "0.00000025", "0.000002", 400_000, 1754587407, "completed", _FILES, longest=128_000),
    Model("openai/gpt-5-nano", "OpenAI: GPT-5 Nano", "openai/gpt-5-nano-2025-08-07", ("openai", "azure"), "0.00000005", "0.0000004", 400_000, 1754587402, "completed", _FILES, longest=128_000),
    Model("openai/gpt-4o-mini", "OpenAI: GPT-4o-mini", "openai/gpt-4o-mini", ("openai", "azure"), "0.00000015", "0.0000006", 128_000, 1721260800, "stop", _FILES),
    Model("anthropic/claude-sonnet-4.5", "Anthropic: Claude Sonnet 4.5", "anthropic/claude-4.5-sonnet-20250929", _CLAUDE, "0.000003", "0.000015", 1_000_000, 1759161676, "end_turn", _FILES),
    Model("anthropic/claude-haiku-4.5", "Anthropic: Claude Haiku 4.5", "anthropic/claude-4.5-haiku-20251001", _CLAUDE, "0.000001", "0.000005", 200_000, 1760547638, "end_turn", _IMAGE),
    Model("google/gemini-2.5-pro", "Google: Gemini 2.5 Pro", "google/gemini-2.5-pro", _GOOGLE, "0.00000125", "0.00001", 1_048_576, 1750169544, "STOP", _MANY),
    Model("google/gemini-2.5-flash", "Google: Gemini 2.5 Flash", "google/gemini-2.5-flash", _GOOGLE, "0.0000003", "0.0000025", 1_048_576, 1750172488, "STOP", _MANY),
    Model("google/gemini-2.5-flash-lite", "Google: Gemini 2.5 Flash Lite", "google/gemini-2.5-flash-lite", _GOOGLE, "0.0000001", "0.0000004", 1_048_576, 1753200276, "STOP", _MANY),
    Model(_LLAMA, "Meta: Llama 3.3 70B Instruct", _LLAMA, ("deepinfra", "together", "groq"), "0.00000013", "0.00000039", 131_072, 1733506137),
    Model(f"{_LLAMA}:free", "Meta: Llama 3.3 70B Instruct (free)", _LLAMA, ("venice",), "0", "0", 131_072, 1733506137),
    Model("deepseek/deepseek-chat-v3.1", "DeepSeek: DeepSeek V3.1", "deepseek/deepseek-chat-v3.1", ("deepseek", "deepinfra"), "0.0000002", "0.0000008", 163_840, 1755779628),
    Model("mistralai/mistral-small-3.2-24b-instruct", "Mistral: Mistral Small 3.2 24B", "mistralai/mistral-small-3.2-24b-instruct-2506", ("mistral", "deepinfra"), "0.00000006", "0.00000018", 131_072, 1750443016, "stop", _IMAGE),
    Model("qwen/qwen3-32b", "Qwen: Qwen3 32B", "qwen/qwen3-32b-04-28", ("alibaba", "groq", "deepinfra"), "0.00000008", "0.00000024", 40_960, 1745875945),
    Model("openrouter/auto", "Auto Router", "openrouter/auto", ("openai",), "-1", "-1", 2_000_000, 1699401600, "stop", _MANY),
    Model("fake/model", "Simulator: Model", "fake/model-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, "stop", _MANY),
    Model("fake/echo", "Simulator: Echo", "fake/echo-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, "stop", _MANY),
    Model("fake/no-tools", "Simulator: without tools", "fake/no-tools-20260101", ("simulator",), "0.000001", "0.000002", 8_192, 1767225600, "stop", parameters=("max_tokens", "temperature")),
    Model("fake/short", "Simulator: short context", "fake/short-20260101", ("simulator",), "0.000001", "0.000002", 1_024, 1767225600, about="Context of 1,024 tokens; with `check_context` a longer prompt is a 400."),
    Model("fake/reasoner", "Simulator: Reasoner", "fake/reasoner-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, parameters=_THINKING, thinks=(200, 800), about="Thinks for 200 to 800 tokens before it answers: max_tokens up to 200 is never enough, 800 and the answer's length always."),
    Model("fake/reasoner-capped", "Simulator: Reasoner with a default limit", "fake/reasoner-capped-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, parameters=_THINKING, thinks=(1_100, 2_000), default_limit=1_024, about="Thinks for 1,100 to 2,000 tokens; without max_tokens its provider stops at 1,024, before any answer."),
    Model("fake/overthinker", "Simulator: Overthinker", "fake/overthinker-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, parameters=_THINKING, thinks=(_ENDLESS, _ENDLESS), default_limit=1_024, about="Thinks until max_tokens (1,024 if there is none) is used up, and never answers."),
    Model("fake/never-valid", "Simulator: never valid", "fake/never-valid-20260101", ("simulator",), "0.000001", "0.000002", 131_072, 1767225600, about="An answer to a json_schema breaks it, however often one complains.", fault="invalid-answer-always"),
    Model("openai/text-embedding-3-small", "OpenAI: Text Embedding 3 Small", "openai/text-embedding-3-small", ("openai",), "0.00000002", "0", 8_192, 1761862866, output="embeddings", parameters=()),
    Model("fake/embedding", "Simulator: Embedding", "fake/embedding-20260101", ("simulator",), "0.00000001", "0", 8_192, 1767225600, output="embeddings", parameters=()),
    Model("cohere/rerank-v3.5", "Cohere: Rerank v3.5", "cohere/rerank-v3.5", ("cohere",), "0", "0", 4_096, 1733190000, output="rerank", parameters=(), request="0.002"),
    Model("fake/rerank", "Simulator: Rerank", "fake/rerank-20260101", ("simulator",), "0", "0", 4_096, 1767225600, output="rerank", parameters=(), request="0.002"),
)
# fmt: on
MODELS: dict[str, Model] = {model.id: model for model in _LISTED}

ALIASES: dict[str, str] = {  # resolve to the newest; the response names the concrete one
    "~openai/gpt-latest": "openai/gpt-5",
    "~openai/gpt-mini-latest": "openai/gpt-5-mini",
    "~anthropic/claude-sonnet-latest": "anthropic/claude-sonnet-4.5",
    "~anthropic/claude-haiku-latest": "anthropic/claude-haiku-4.5",
    "~google/gemini-pro-latest": "google/gemini-2.5-pro",
    "~google/gemini-flash-latest": "google/gemini-2.5-flash",
    "openrouter/auto": "openai/gpt-5-mini",
    "openrouter/free": f"{_LLAMA}:free",
}
_VARIANTS = frozenset({"nitro", "floor", "exacto", "online", "extended", "thinking", "free"})
_ALWAYS, _ONCE = "fake/err-", "fake/err-once-"


_MADE_UP = {"text": "fake/model", "embeddings": "fake/embedding", "rerank": "fake/rerank"}  # by output


@lru_cache(maxsize=4096)
def find_model(asked: str, any_model: bool = False, output: str = "text") -> Model | None:
    """The model that `asked` means: aliases resolved, presets and dynamic variants taken off. None if there is none.

    output: what a model that is not listed (`fake/err-…`, or any with `any_model`) is taken to produce.
    """
    name, _, _ = asked.partition("@preset/")
    name = ALIASES.get(name or "openrouter/auto", name)
    while name not in MODELS:
        base, colon, variant = name.rpartition(":")
        if not colon or variant not in _VARIANTS:
            break
        if variant == "free" and base in MODELS:
            return None  # a listed model without a listed free variant has none
        name = base
    if model := MODELS.get(name):
        return model
    like = MODELS[_MADE_UP[output]]
    if name.startswith(_ALWAYS):
        return _faulty(name, like)
    author, slash, slug = name.partition("/")
    if any_model and author and slash and slug:
        return replace(like, id=name, permaslug=name, name=name)
    return None


def _faulty(name: str, like: Model) -> Model | None:
    once = name.startswith(_ONCE)
    fault = name.removeprefix(_ONCE if once else _ALWAYS)
    if fault not in FAULTS:
        return None
    return replace(like, id=name, permaslug=f"{name}-20260101", fault=fault, fault_once=once)
