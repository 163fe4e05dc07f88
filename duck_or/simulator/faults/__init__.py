"""Every way for a request to go wrong, by name.

`FAULTS` is the table; the modules beside this one hold its rows: `statuses` (an HTTP status says so), `bodies` (HTTP
200, but), `connections` (the bytes stop or stall), `invalid_answers` (not what the schema demands), `vectors`
(embeddings), and `plan` decides which request is struck by which.
"""

from __future__ import annotations

from duck_or.simulator.faults.bodies import BODY_FAULTS
from duck_or.simulator.faults.connections import CONNECTION_FAULTS
from duck_or.simulator.faults.fault import Fault
from duck_or.simulator.faults.invalid_answers import INVALID_ANSWERS
from duck_or.simulator.faults.statuses import STATUS_FAULTS
from duck_or.simulator.faults.vectors import VECTOR_FAULTS

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (*STATUS_FAULTS, *BODY_FAULTS, *CONNECTION_FAULTS, *INVALID_ANSWERS, *VECTOR_FAULTS)
}

__all__ = ["FAULTS", "Fault"]
