from __future__ import annotations

import gc
import os

import pytest

from runtime.startup import DEFAULTS, OBJECTS_UNTIL_COLLECTION, quick_start


def test_garbage_is_looked_for_seldom_while_a_command_runs() -> None:
    before = gc.get_threshold()
    with quick_start():
        assert gc.get_threshold()[0] == OBJECTS_UNTIL_COLLECTION
        assert gc.isenabled()
    assert gc.get_threshold() == before


def test_what_the_user_says_of_libraries_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen, *others = DEFAULTS
    for name in others:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(chosen, "3")
    with quick_start():
        found = {name: os.environ[name] for name in DEFAULTS}
    assert found == {**DEFAULTS, chosen: "3"}
