from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duck_or.errors import SettingsError
from duck_or.setting_rules import RULES
from duck_or.settings import OPENROUTER_URL, Settings, default_cache_path, explain

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
NO_FILE = {"DUCK_OR_CONFIG": "none"}


def load(environ: dict[str, str] | None = None, **overrides: object) -> Settings:
    return Settings.load(overrides, NO_FILE | (environ or {}))


def refusal(environ: dict[str, str] | None = None, **overrides: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load(environ, **overrides)
    return str(caught.value)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('[openrouter]\nmodel = "from/file"\ntimeout = 5\nattempts = 2\n')
    return path


# ---- where values come from


def test_every_setting_has_a_rule_and_a_variable_of_its_own() -> None:
    assert [field.name for field in dataclasses.fields(Settings)] == list(RULES)
    assert len({rule.environment for rule in RULES.values()}) == len(RULES)


def test_the_defaults() -> None:
    assert load() == Settings(
        api_key=None,
        base_url=OPENROUTER_URL,
        model=None,
        rate_limit=600,
        max_in_flight=256,
        timeout=120,
        attempts=6,
        max_wait=300,
        on_error="raise",
        transport="openai",
        cache_path=default_cache_path(),
        cache_ttl=None,
        cache_max_bytes=None,
        memory_cache_bytes=256 * 1024 * 1024,
        budget_usd=None,
        site_url=None,
        app_name=None,
        log_prompts=False,
        prefetch="auto",
        progress="auto",
    )


def test_keyword_beats_environment_beats_file_beats_default(config: Path) -> None:
    environ = {"OPENROUTER_MODEL": "from/env", "DUCK_OR_TIMEOUT": "6", "DUCK_OR_CONFIG": str(config)}
    settings = Settings.load({"model": "from/keyword"}, environ)
    assert (settings.model, settings.timeout, settings.attempts, settings.max_in_flight) == (
        "from/keyword",
        6,
        2,
        256,
    )
    sources = {row.name: row.source for row in explain({"model": "from/keyword"}, environ)}
    assert (sources["model"], sources["timeout"], sources["attempts"], sources["max_in_flight"]) == (
        "keyword",
        "DUCK_OR_TIMEOUT",
        str(config),
        "default",
    )


TEXTS: dict[str, tuple[str, object]] = {
    "api_key": (KEY, KEY),
    "base_url": ("http://LOCALHOST:8000/v1/", "http://localhost:8000/v1"),
    "model": (" a/b ", "a/b"),
    "rate_limit": ("90.5", 90.5),
    "max_in_flight": ("8", 8),
    "timeout": ("1.5", 1.5),
    "attempts": ("1", 1),
    "max_wait": ("0", 0),
    "on_error": ("json", "json"),
    "transport": ("http", "http"),
    "cache_path": ("a.sqlite", Path("a.sqlite").absolute()),
    "cassette": ("a.parquet", Path("a.parquet").absolute()),
    "calls_path": ("a.sqlite", Path("a.sqlite").absolute()),
    "cache_ttl": ("3600", 3600),
    "cache_max_bytes": ("1000", 1000),
    "memory_cache_bytes": ("0", 0),
    "budget_usd": ("0.25", 0.25),
    "site_url": ("https://example.org/a", "https://example.org/a"),
    "app_name": ("Ducks", "Ducks"),
    "log_prompts": ("yes", True),
    "prefetch": ("off", "off"),
    "progress": ("off", "off"),
}


@pytest.mark.parametrize("setting", RULES)
def test_the_environment_and_the_config_file_are_read_by_the_settings_type(
    setting: str, tmp_path: Path
) -> None:
    text, value = TEXTS[setting]
    assert getattr(load({RULES[setting].environment: text}), setting) == value
    path = tmp_path / "c.toml"
    path.write_text(f'[openrouter]\n{setting} = "{text}"\n')
    assert getattr(Settings.load(environ={}, config_path=path), setting) == value


@pytest.mark.parametrize("setting", [name for name, rule in RULES.items() if rule.optional])
def test_none_is_a_value_of_the_optional_settings(setting: str) -> None:
    assert getattr(load({RULES[setting].environment: "None"}), setting) is None
    assert getattr(load(**{setting: None}), setting) is None


def test_an_empty_variable_is_unset_except_for_the_cache_where_it_means_memory_only() -> None:
    environ = {rule.environment: "" for name, rule in RULES.items() if name != "cache_path"}
    assert load(environ) == load()
    assert load({"DUCK_OR_CACHE": ""}).cache_path is None


def test_a_rate_limit_of_zero_is_unlimited() -> None:
    assert load(rate_limit=0).rate_limit is None
    assert load({"OPENROUTER_RATE_LIMIT": "0"}).rate_limit is None


def test_the_cache_stays_where_it_is_when_the_directory_changes() -> None:
    assert load(cache_path="a.sqlite").cache_path == Path.cwd() / "a.sqlite"
    assert load(cache_path="~/a.sqlite").cache_path == Path.home() / "a.sqlite"


# ---- what is refused


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("api_key", "two words"),
        ("api_key", "line\nbreak"),
        ("api_key", "ключ"),
        ("base_url", None),
        ("base_url", "openrouter.ai/api/v1"),
        ("base_url", "ftp://example.org"),
        ("base_url", "https://"),
        ("base_url", "https://user:pass@example.org/v1"),
        ("base_url", "https://example.org/v1?key=1"),
        ("base_url", "https://example.org/v1#a"),
        ("base_url", "https://example.org:port/"),
        ("model", " "),
        ("model", 5),
        ("rate_limit", -1),
        ("rate_limit", float("nan")),
        ("rate_limit", "600"),
        ("max_in_flight", 0),
        ("max_in_flight", 1.5),
        ("max_in_flight", True),
        ("timeout", 0),
        ("timeout", float("inf")),
        ("attempts", 0),
        ("max_wait", -1),
        ("on_error", "ignore"),
        ("on_error", ["raise"]),
        ("transport", "requests"),
        ("cache_path", ""),
        ("cache_path", 5),
        ("cache_ttl", 0),
        ("cache_max_bytes", 0),
        ("memory_cache_bytes", -1),
        ("memory_cache_bytes", None),
        ("budget_usd", -0.01),
        ("site_url", "a\r\nX-Evil: 1"),
        ("app_name", "Café"),
        ("log_prompts", "yes"),
        ("prefetch", True),
        ("prefetch", "on"),
        ("progress", False),
        ("progress", None),
    ],
)
def test_values_out_of_range_are_refused_by_name(setting: str, value: Any) -> None:
    message = refusal(**{setting: value})
    assert f"{setting} must be {RULES[setting].expected}" in message
    with pytest.raises(SettingsError):
        Settings(**{setting: value})
    with pytest.raises(SettingsError):
        load().overridden({setting: value})


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("DUCK_OR_MAX_IN_FLIGHT", "abc", "DUCK_OR_MAX_IN_FLIGHT='abc': max_in_flight must be a whole number"),
        ("DUCK_OR_TIMEOUT", "2m", "DUCK_OR_TIMEOUT='2m': timeout must be a number of seconds"),
        ("DUCK_OR_LOG_PROMPTS", "maybe", "DUCK_OR_LOG_PROMPTS='maybe': log_prompts must be true or false"),
        ("DUCK_OR_ON_ERROR", "skip", "DUCK_OR_ON_ERROR='skip': on_error must be one of raise, null, json"),
        ("DUCK_OR_PREFETCH", "no", "DUCK_OR_PREFETCH='no': prefetch must be one of auto, off"),
        ("DUCK_OR_PROGRESS", "none", "DUCK_OR_PROGRESS='none': progress must be one of auto, off"),
        ("DUCK_OR_TIMEOUT", "none", "DUCK_OR_TIMEOUT='none'"),
    ],
)
def test_a_wrong_variable_is_named_with_its_text(variable: str, text: str, words: str) -> None:
    assert refusal({variable: text}).startswith(words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[openrouter]\nmodle = 'a/b'", "no setting 'modle'; did you mean model?"),
        ("[openruter]\nmodel = 'a/b'", "did you mean openrouter?"),
        ("model = 'a/b'", "model must stand under the heading [openrouter]"),
        ("openrouter = 5", "must be a section"),
        ("[openrouter]\nattempts = 0", "attempts = 0 in "),
        ("[openrouter]\nattempts = 'x'", "attempts = 'x' in "),
        ("[openrouter]\ncache_path = 5", "cache_path = 5 in "),
        ("[openrouter]\nmodel = \n", "line 2"),
    ],
)
def test_a_wrong_config_file_is_named_with_the_cure(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ={}, config_path=path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_misspelt_keyword_gets_a_suggestion() -> None:
    assert "did you mean timeout?" in refusal(time_out=5)
    assert "there are api_key, base_url" in refusal(zzz=5)
    with pytest.raises(SettingsError, match="did you mean model"):
        load().overridden({"modle": "a/b"})


def test_a_misspelt_keyword_is_told_without_the_name_of_a_function() -> None:
    """It may have been a line of a profile, or a keyword of one of several functions."""
    words = "settings: there is no setting 'budget'; did you mean budget_usd?"
    assert refusal(budget=5) == words
    with pytest.raises(SettingsError) as caught:
        load().overridden({"budget": 5})
    assert str(caught.value) == words


def test_a_config_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load(environ={}, config_path=missing)
    with pytest.raises(SettingsError, match="does not exist"):
        Settings.load(environ={"DUCK_OR_CONFIG": str(missing)})
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(environ={}, config_path=tmp_path)


def test_a_config_file_may_be_empty_or_in_another_encoding_only_by_mistake(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b"")
    assert Settings.load(environ={}, config_path=path) == load()
    path.write_bytes("[openrouter]\napp_name = 'é'".encode("latin-1"))
    with pytest.raises(SettingsError, match="cannot be read"):
        Settings.load(environ={}, config_path=path)


# ---- the key stays secret


def test_the_key_shows_nowhere() -> None:
    settings = load(api_key=KEY)
    assert settings.api_key == KEY
    shown = [repr(settings), str(settings), f"{settings}", repr(explain({"api_key": KEY}, NO_FILE))]
    for text in shown:
        assert KEY[:-4] not in text
        assert f"…{KEY[-4:]}" in text
    assert "short" not in repr(Settings(api_key="short", cache_path=None))


@pytest.mark.parametrize("setting", RULES)
def test_a_key_in_the_wrong_place_shows_in_no_message(setting: str) -> None:
    for value in (f" {KEY} \n x", [KEY], {"key": KEY}, f"https://{KEY}@example.org"):
        with pytest.raises(SettingsError) as caught:
            Settings.load({setting: value, "attempts": 0}, NO_FILE)
        assert KEY not in message_with_causes(caught.value)
    with pytest.raises(SettingsError) as caught:
        load({RULES[setting].environment: KEY}, attempts=0)
    assert KEY not in message_with_causes(caught.value)


def message_with_causes(error: BaseException | None) -> str:
    return "" if error is None else f"{error} {message_with_causes(error.__context__)}"


def test_a_pickle_holds_no_key_and_everything_else() -> None:
    settings = load(api_key=KEY, model="a/b", cache_path=None, budget_usd=1)
    pickled = pickle.dumps(settings)
    assert KEY.encode() not in pickled
    there = pickle.loads(pickled)
    assert there.overridden({"api_key": KEY}) == settings


def test_the_process_that_unpickles_brings_its_own_key() -> None:
    pickled = pickle.dumps(load(api_key=KEY, cache_path=None))
    there = unpickled_elsewhere(pickled, "it.api_key", OPENROUTER_API_KEY="theirs")
    assert there.stdout.strip() == "theirs"


def test_a_copy_keeps_the_key() -> None:
    settings = load(api_key=KEY)
    assert copy.copy(settings).api_key == KEY
    assert copy.deepcopy([settings])[0].api_key == KEY
    assert dataclasses.replace(settings, model="a/b").api_key == KEY
    assert settings.overridden({"model": "a/b"}) == dataclasses.replace(settings, model="a/b")


# ---- the rest


@pytest.mark.parametrize("url", ["https://A.example/v1", "https://a.example/v1/", "https://a.EXAMPLE/v1//"])
def test_one_endpoint_has_one_spelling(url: str) -> None:
    assert load(base_url=url).base_url == "https://a.example/v1"


@given(st.sampled_from(sorted(RULES)), st.text().filter(lambda text: "\0" not in text))
def test_any_text_in_a_variable_gives_settings_or_a_settings_error(setting: str, text: str) -> None:
    try:
        settings = load({RULES[setting].environment: text})
    except SettingsError:
        return
    assert Settings.load({name: getattr(settings, name) for name in RULES}, NO_FILE) == settings


def test_importing_settings_imports_neither_the_config_reader_nor_the_client() -> None:
    program = (
        "import sys, duck_or.settings; "
        "print(*{'tomllib', 'platformdirs', 'difflib', 'pydantic', 'openai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


SHARED = "redis://localhost:6379/0"
SECRET = "postgresql://anna:geheim@db.example.org/answers?sslmode=require"


@pytest.mark.parametrize("address", [SHARED, SECRET, "rediss://cache.example.org", "valkey://[::1]:6379"])
def test_the_answers_may_be_kept_by_a_server(address: str) -> None:
    assert load(cache_path=address).cache_path == address
    assert load({"DUCK_OR_CACHE": address}).cache_path == address


@pytest.mark.parametrize(
    "address", ["mysql://localhost", "redis://", "redis://host:0", "redis://ho st", "http://localhost:6379"]
)
def test_an_address_that_no_store_has_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="cache_path must be the path of a file, a redis://"):
        load(cache_path=address)


def test_a_stores_password_never_shows() -> None:
    settings = load(cache_path=SECRET)
    assert "geheim" not in repr(settings)
    assert "anna" not in repr(settings)
    assert "postgresql://db.example.org/answers" in repr(settings)
    shown = {row.name: row.value for row in explain({"cache_path": SECRET}, {})}
    assert "geheim" not in shown["cache_path"]


@pytest.mark.parametrize("setting", RULES)
def test_a_password_in_the_wrong_place_shows_in_no_message(setting: str) -> None:
    for value in (SECRET.replace("postgresql", "mysql"), [SECRET], {"address": SECRET}, f"{SECRET}\x07"):
        with pytest.raises(SettingsError) as caught:
            Settings.load({setting: value, "attempts": 0}, NO_FILE)
        assert "geheim" not in message_with_causes(caught.value)


def test_an_address_that_cannot_be_taken_apart_is_refused_and_not_shown() -> None:
    address = "redis://anna:geheim@[::1/0"
    for message in (refusal(cache_path=address), refusal({"DUCK_OR_CACHE": address})):
        assert "cache_path must be the path of a file, a redis://" in message
        assert "geheim" not in message


def unpickled_elsewhere(pickled: bytes, expression: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Evaluate an expression about the settings `it` in a process with this environment."""
    program = f"import pickle; it = pickle.loads({pickled!r}); print({expression})"
    environ["PYTHONPATH"] = ":".join(sys.path)
    return subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True)


def test_a_stores_address_travels_but_not_its_password() -> None:
    assert pickle.loads(pickle.dumps(load(cache_path=SHARED))).cache_path == SHARED
    pickled = pickle.dumps(load(cache_path=SECRET))
    assert b"geheim" not in pickled
    there = unpickled_elsewhere(pickled, "it.cache_path", DUCK_OR_CACHE=SECRET)
    assert there.stdout.strip() == SECRET
    nowhere = unpickled_elsewhere(pickled, "it.cache_path")
    assert "set DUCK_OR_CACHE where they arrive" in nowhere.stderr
