"""Airflow keeps its configuration and its database where AIRFLOW_HOME says when it is imported; and warns of itself meanwhile."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import warnings

_home = tempfile.mkdtemp(prefix="airflow-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _home
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = os.path.join(_home, "dags")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import airflow.providers.duckdb.hooks.duckdb
    import airflow.sdk  # noqa: F401 - so that the tests may import them
