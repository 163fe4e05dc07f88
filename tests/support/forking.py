"""A process that forks with a connection to a shared store in use: a script for `python -c`, its argument the address."""

from __future__ import annotations

FORK = """
import hashlib, os, sys
from duck_or.cache.one_connection import OneConnection
from duck_or.cache.opening import open_shared

NOW = 1_790_000_000.0
store = open_shared(sys.argv[1])

def key(name):
    return hashlib.sha256(name.encode()).digest()

store.put_many({key("before"): b"1"}, NOW)
[held] = [value for value in vars(store).values() if isinstance(value, OneConnection)]
turn = held.turn()
turn.__enter__()  # as if another thread were in a call at the moment of the fork
child = os.fork()
if child == 0:
    assert len(store.get_many([key("before")], NOW)) == 1
    store.put_many({key("child"): b"2"}, NOW)
    store.close()
    os._exit(0)
turn.__exit__(None, None, None)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, status
store.put_many({key("parent"): b"3"}, NOW)
assert len(store.get_many([key("before"), key("child"), key("parent")], NOW)) == 3
store.close()
print("done", flush=True)
"""
