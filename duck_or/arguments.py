"""What each SQL argument after `messages` means.

Decides what the arguments put into the request's body, and refuses what can only be a mistake: a wrong type,
a contradiction, an argument in another one's place (see `misplaced`). Must not know DuckDB, Arrow, cache keys
or the network.

The arguments arrive as one JSON object, DuckDB's `json_object('model', …, 'model_kwargs', …, …)`. Each value
is null (not given), a JSON value, or a JSON string holding JSON (the SQL value was text).
"""

from __future__ import annotations

from typing import Any

from duck_or.errors import ArgumentError
from duck_or.json_values import JsonObject, read_json, shown, without_nulls
from duck_or.misplaced import (
    CHOICE_WORDS,
    EXPECTED,
    MESSAGE_MEMBERS,
    MIDDLE_OUT,
    TOOL_MEMBERS,
    refuse,
    refuse_members,
)

_COMPRESSION = "context-compression"  # the plugin that replaced the transform 'middle-out'

# In a JSON Schema these hold values, and null is one; everywhere else a null is a gap that DuckDB filled.
_SCHEMA_VALUES = frozenset({"default", "const", "enum", "examples"})
_NULLS_ARE_GAPS = ("response_format", "plugins")  # members of model_kwargs that hold lists of objects


def parse_options(options_json: str, default_model: str | None) -> JsonObject:
    """The request's body without `messages`. Slow and exact: keep the result, one per options text.

    options_json: the JSON object described at the head of this module. default_model: the settings' model.
    Raises ArgumentError naming the argument, its value and what is expected.
    """
    return body_of(read_options(options_json), default_model)


def read_options(options_json: str) -> JsonObject:
    """The arguments by name. Raises ArgumentError."""
    try:
        options = read_json(options_json)
    except ValueError as error:
        raise ArgumentError(
            f"the arguments are not valid JSON, which cannot hold NaN or infinities: {error}"
        ) from error
    except RecursionError as error:
        raise ArgumentError("an argument is nested too deeply") from error
    if not isinstance(options, dict):
        raise ArgumentError(f"the arguments must be an object of {', '.join(EXPECTED)}; got {shown(options)}")
    return options


def body_of(options: JsonObject, default_model: str | None) -> JsonObject:
    """The request's body, as far as these arguments say it. Raises ArgumentError."""
    if not options.keys() <= EXPECTED.keys():
        raise ArgumentError(f"the arguments must be an object of {', '.join(EXPECTED)}; got {shown(options)}")
    try:
        return _body({name: _value(name, options.get(name)) for name in EXPECTED}, default_model)
    except RecursionError as error:
        raise ArgumentError("an argument is nested too deeply") from error


def _value(name: str, value: Any) -> Any:
    """The argument's value, read out of its text where it came as text."""
    if not isinstance(value, str) or name == "model" or (name == "tool_choice" and value in CHOICE_WORDS):
        return value
    try:
        return read_json(value)
    except ValueError as error:
        broken = f" (not valid JSON: {error})" if value.lstrip()[:1] in ("{", "[") else ""
        refuse(name, value, broken)


def _body(options: JsonObject, default_model: str | None) -> JsonObject:
    body = _model_kwargs(options["model_kwargs"])
    given = {}
    for name in ("model", "tools", "tool_choice", "provider", "transforms"):
        in_kwargs = body.pop(name, None)
        given[name] = in_kwargs if options[name] is None else options[name]  # an explicit argument wins
    members = {
        "model": _model(given["model"], body, default_model),
        "provider": _provider(given["provider"]),
        "tools": _tools(given["tools"]),
        "plugins": _plugins(given["transforms"], body.get("plugins")),
    }
    body.update({name: value for name, value in members.items() if value is not None})
    body.update(_tool_choice(given["tool_choice"], body))
    return body


def _model(value: Any, body: JsonObject, default_model: str | None) -> str | None:
    if value is None:
        if "models" in body or "preset" in body:
            return None  # they choose; a default model would come before them
        value = default_model
    if value is None:
        raise ArgumentError(
            "no model: say model := 'openai/gpt-5-mini' in the call, or set one for all calls with "
            "OPENROUTER_MODEL or register(con, model='openai/gpt-5-mini')"
        )
    if not isinstance(value, str) or not value.strip() or value.lstrip()[0] in "{[" or value in CHOICE_WORDS:
        refuse("model", value)
    return value


def _model_kwargs(value: Any) -> JsonObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        refuse("model_kwargs", value)
    body = {name: member for name, member in value.items() if member is not None}
    refuse_members("model_kwargs", body, ("provider", "tool_choice", "tools"))
    for name in _NULLS_ARE_GAPS:
        if name in body:
            body[name] = without_nulls(body[name], keep=_SCHEMA_VALUES)
    return _one_whole_answer(body)


def _one_whole_answer(body: JsonObject) -> JsonObject:
    """Without the members that could ask for anything but one answer in one piece; raises if they do."""
    if MESSAGE_MEMBERS & body.keys() or "messages" in body:
        raise ArgumentError("model_kwargs must not hold messages: they are the first argument of the call")
    if body.pop("stream", False) is not False:
        raise ArgumentError("model_kwargs.stream must be false: a row gets one whole answer")
    answers = body.pop("n", 1)
    if isinstance(answers, bool) or answers != 1:
        raise ArgumentError(f"model_kwargs.n must be 1: a row gets one answer; got {shown(answers)}")
    body.pop("stream_options", None)
    return body


def _provider(value: Any) -> JsonObject | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        refuse("provider", value)
    refuse_members("provider", value, ("model_kwargs", "tool_choice", "messages", "tools"))
    return without_nulls(value) or None


def _tools(value: Any) -> list[JsonObject] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(tool, dict) for tool in value):
        refuse("tools", value)
    tools = without_nulls(value, keep=_SCHEMA_VALUES)
    return [_tool(f"tools[{index}]", tool) for index, tool in enumerate(tools)]


def _tool(where: str, tool: JsonObject) -> JsonObject:
    """The tool as OpenRouter takes it: a bare function specification is wrapped."""
    kind = tool.get("type", "function")
    if kind != "function" and isinstance(kind, str):
        return tool  # a server tool such as {'type': 'openrouter:web_search'}
    outer = {name: member for name, member in tool.items() if name == "cache_control"}
    function = tool.get("function") or {name: tool[name] for name in tool if name not in ("type", *outer)}
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or kind != "function":
        refuse("tools", tool, f" in {where}")
    if "function" not in tool and not function.keys() <= TOOL_MEMBERS:
        strange = ", ".join(sorted(function.keys() - TOOL_MEMBERS))
        raise ArgumentError(
            f"{where} has unknown members: {strange}; a function has {', '.join(sorted(TOOL_MEMBERS))}"
        )
    return {**outer, "type": "function", "function": function}


def _tool_choice(value: Any, body: JsonObject) -> JsonObject:
    """The body's members that say which tool to call, in OpenAI's dialect."""
    if value is None:
        return {}
    if isinstance(value, str) and value in CHOICE_WORDS:
        return {"tool_choice": value}
    choice = without_nulls(value)
    if not isinstance(choice, dict) or not choice:
        refuse("tool_choice", value)
    kind = choice.get("type", "function")
    if isinstance(kind, str) and kind not in ("function", "tool", "any", *CHOICE_WORDS):
        return {"tool_choice": choice}  # a server tool's own form
    if "function" in choice and choice.keys() <= {"type", "function"} and kind == "function":
        function = choice["function"]
        return _named_tool(function.get("name") if isinstance(function, dict) else function, value, body)
    return _chosen_by_flags(choice, value, body)


def _chosen_by_flags(choice: JsonObject, value: Any, body: JsonObject) -> JsonObject:
    """The dialect with one member per possibility: {'auto': true}, {'required': true}, {'tool': name}."""
    flags = {name: member for name, member in choice.items() if name in CHOICE_WORDS}
    parallel = choice.get("parallel_tool_calls", True)
    known = choice.keys() <= {*CHOICE_WORDS, "tool", "parallel_tool_calls"}
    if not known or not all(isinstance(flag, bool) for flag in (parallel, *flags.values())):
        refuse("tool_choice", value)
    words = [name for name, flag in flags.items() if flag]
    if len(words) + ("tool" in choice) != 1:
        refuse("tool_choice", value, " (exactly one must be chosen)")
    chosen = {"tool_choice": words[0]} if words else _named_tool(choice["tool"], value, body)
    return chosen if parallel else {**chosen, "parallel_tool_calls": False}


def _named_tool(name: Any, value: Any, body: JsonObject) -> JsonObject:
    if not isinstance(name, str):
        refuse("tool_choice", value)
    names = [
        tool["function"]["name"] for tool in body.get("tools", ()) if isinstance(tool.get("function"), dict)
    ]
    # A preset may bring tools of its own.
    if name not in names and "preset" not in body and "@preset/" not in body.get("model", ""):
        there = f"tools has {', '.join(map(repr, names))}" if names else "there are no function tools"
        raise ArgumentError(f"tool_choice names the tool {name!r}, but {there}")
    return {"tool_choice": {"type": "function", "function": {"name": name}}}


def _plugins(transforms: Any, plugins: Any) -> list[JsonObject] | None:
    """The plugins with the entry that `transforms` stands for; None when there is nothing to change."""
    if transforms is None:
        return None
    if not isinstance(transforms, list) or any(name != MIDDLE_OUT for name in transforms):
        refuse("transforms", transforms)
    if not isinstance(plugins, list | None):
        raise ArgumentError(
            f"model_kwargs.plugins must be a list, for example [{{'id': 'web'}}]; got {shown(plugins)}"
        )
    others = [
        entry for entry in plugins or [] if not (isinstance(entry, dict) and entry.get("id") == _COMPRESSION)
    ]
    return [*others, {"id": _COMPRESSION} if transforms else {"id": _COMPRESSION, "enabled": False}]
