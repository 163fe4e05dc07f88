"""SQLMesh reports its use over the network unless it is told not to before it is imported; and warns of itself while it is."""

from __future__ import annotations

import os
import warnings

os.environ["SQLMESH__DISABLE_ANONYMIZED_ANALYTICS"] = "1"

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sqlmesh  # noqa: F401 - so that the tests may import it
