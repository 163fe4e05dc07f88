"""What a worker process holds: one engine for each settings, its own after a fork, made of what travelled without the key."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from duck_or.arrow import close_sessions, session_of
from duck_or.arrow.worker import kernel_of
from duck_or.settings import Settings
from duck_or.simulator import Simulator
from support.bridge import KEY
from support.scripts import environment, run

HERE = Settings(base_url="http://127.0.0.1:9/v1", cache_path=None, model="m", api_key=KEY)


@pytest.fixture(autouse=True)
def _no_session_is_left() -> Iterator[None]:
    yield
    close_sessions()


def test_equal_settings_have_one_engine() -> None:
    assert kernel_of(HERE) is kernel_of(HERE.overridden({}))
    assert session_of(HERE) is kernel_of(HERE).session
    assert kernel_of(HERE.overridden({"model": "other"})) is not kernel_of(HERE)


def test_a_closed_engine_is_followed_by_a_new_one() -> None:
    before = kernel_of(HERE)
    close_sessions()
    assert kernel_of(HERE) is not before


def test_a_forked_child_begins_with_none() -> None:
    before = kernel_of(HERE)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if kernel_of(HERE) is not before else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_the_key_does_not_travel() -> None:
    assert KEY.encode() not in pickle.dumps(HERE)


# As Spark's daemon and multiprocessing do: settings arrive by pickle, several children ask at once, and some end by os._exit.
WORKERS = """
    import os, pickle, sys
    import pyarrow as pa
    import duck_or
    from duck_or.arrow import chat_completions, session_of

    settings = pickle.loads(pickle.dumps(duck_or.Settings.load()))

    def work(worker):
        asked = pa.array([[{"role": "user", "content": f"q{n}"}] for n in range(worker, worker + 20)])
        for _ in range(2):
            answers = chat_completions(asked, settings=settings)
        print(worker, len(answers), answers.null_count, session_of(settings).stats().requests, flush=True)
        os._exit(0)

    children = []
    for worker in (0, 100):
        pid = os.fork()
        if pid == 0:
            work(worker)
        children.append(pid)
    print(sorted(os.waitpid(pid, 0)[1] for pid in children))
"""


def test_each_worker_answers_by_itself_and_what_was_paid_is_kept(tmp_path: Path) -> None:
    with Simulator() as simulator:
        store = {"DUCK_OR_CACHE": str(tmp_path / "answers.sqlite"), "PYTHONWARNINGS": "ignore"}
        for _ in range(2):
            lines = run(WORKERS, environment(tmp_path, simulator.base_url, **store))
            assert sorted(lines) == ["0 20 0 40", "100 20 0 40", "[0, 0]"]
            assert simulator.stats().requests == 40


def test_integrations_name_what_is_missing(tmp_path: Path) -> None:
    script = """
        import sys
        import duck_or
        print(any(name.split('.')[0] in ('pyspark', 'ray') for name in sys.modules))
        sys.modules['pyspark'] = sys.modules['ray'] = None
        for name in ('spark', 'ray'):
            try:
                __import__(f'duck_or.integrations.{name}')
            except ImportError as error:
                print(error)
    """
    assert run(script, environment(tmp_path, "http://127.0.0.1:9/v1")) == [
        "False",
        'this needs pyspark 4.1 or newer: pip install "duck_or[spark]"',
        'this needs Ray Data: pip install "duck_or[ray]"',
    ]
