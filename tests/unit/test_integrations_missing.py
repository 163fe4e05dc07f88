"""An adapter whose library is not there says which extra brings it."""

from __future__ import annotations

import subprocess
import sys

import pytest

ADAPTERS = {"ibis": "ibis", "sqlalchemy": "duckdb_engine", "sqlmesh": "sqlmesh", "airflow": "airflow"}


@pytest.mark.parametrize(("adapter", "library"), ADAPTERS.items(), ids=ADAPTERS)
def test_the_extra_is_named(adapter: str, library: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; import duck_or.integrations.{adapter}"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr.splitlines()[-1].endswith(f'pip install "duck_or[{adapter}]"')
