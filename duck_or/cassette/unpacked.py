"""A cassette's answers, ready to be looked up one by one: an index in memory, the bodies in a file that goes with us.

Parquet is made to be read from one end to the other; 2,048 keys picked out of a million would be a look into every part of
it. So it is read once, into a temporary file without a name. An answer takes 56 bytes of memory here, however long it is.
What an answer says, it must not know.
"""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from duck_or.cache.contract import Kept

if TYPE_CHECKING:
    import numpy as np


class Unpacked:
    """Of a key that comes twice, the newer answer counts, as where they are put into a store. Any thread may look."""

    def __init__(self, answers: Iterable[Mapping[bytes, Kept]]) -> None:
        import numpy as np

        keys, ends, stored = bytearray(), array("q", [0]), array("d")
        with tempfile.TemporaryFile(prefix="duck_or-cassette-") as file:
            for part in answers:
                for key, kept in part.items():
                    keys += key
                    stored.append(kept.stored)
                    ends.append(ends[-1] + len(kept.body))
                file.write(b"".join(kept.body for kept in part.values()))
            file.flush()
            # The mapping keeps the file's content after it is closed; an empty one cannot be mapped.
            self._bodies: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if ends[-1] else b""
        self._stored, self._ends = stored, ends
        unsorted = np.frombuffer(bytes(keys), dtype="S32")
        self._order = np.lexsort((np.frombuffer(stored), unsorted))
        self._keys = unsorted[self._order]

    def __len__(self) -> int:
        return len(self._keys)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Kept]:
        """The answers that are there."""
        import numpy as np

        wanted = np.array(keys, dtype="S32")
        # The last of equal ones is the newest; -1 for what sorts before all of them.
        places = np.searchsorted(self._keys, wanted, side="right") - 1
        hits = np.flatnonzero(places >= 0)
        hits = hits[self._keys[places[hits]] == wanted[hits]]
        return {keys[hit]: self._kept(self._order[places[hit]]) for hit in hits}

    def _kept(self, row: np.intp) -> Kept:
        return Kept(bytes(self._bodies[self._ends[row] : self._ends[row + 1]]), self._stored[row])
