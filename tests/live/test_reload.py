"""Reload: new code, same state, between two calls."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap

import pytest

import jactors
from jactors.errors import ReloadError, TaskError


def define(text, name="Counter", module=__name__):
    """Return the class that a cell with this text would define: it travels by value."""
    space = {"__name__": "__main__", "jactors": jactors}
    exec(compile(textwrap.dedent(text), f"<cell {abs(hash(text))}>", "exec"), space)
    return space[name]


FIRST = """
class Counter:
    def __init__(self, start=0):
        self.count = start
    def add(self, n=1):
        self.count += n
        return self.count
    def old(self):
        return "old"
"""

SECOND = """
class Counter:
    def __init__(self, start=0):
        self.count = start
    def add(self, n=1, *, times=10):
        self.count += n * times
        return self.count
    def double(self):
        self.count *= 2
        return self.count
"""


@pytest.fixture
def counter(session):
    return jactors.remote(define(FIRST)).remote(5)


def test_new_methods_see_the_old_state(counter):
    assert counter.add() == 6
    told = jactors.reload(counter, define(SECOND))
    assert (told.added, told.changed, told.removed) == (("double",), ("add",), ("old",))
    assert counter.add(1) == 16
    assert counter.add(1, times=2) == 18
    assert counter.double() == 36
    with pytest.raises(AttributeError, match="old"):
        counter.old()


def test_calls_submitted_before_run_on_the_old_code(counter):
    before = [counter.add.remote() for _ in range(20)]
    jactors.reload(counter, define(SECOND))
    assert jactors.get(before) == list(range(6, 26))
    assert counter.add() == 35


def test_a_class_that_has_not_changed_says_so(counter):
    told = jactors.reload(counter, define("\n\n# a comment\n" + FIRST))
    assert not told
    assert "nothing has changed" in str(told)


def test_a_restart_runs_the_new_code(session):
    counter = jactors.remote(max_restarts=1, max_task_retries=-1)(define(FIRST)).remote(5)
    counter.add()
    jactors.reload(counter, define(SECOND))
    pid = counter.__ray_call__(lambda self: os.getpid())
    jactors.kill(counter, no_restart=False)
    assert counter.double() == 10
    assert counter.__ray_call__(lambda self: os.getpid()) != pid


def test_everybody_who_holds_a_handle_knows_the_new_methods(session):
    counter = jactors.remote(define(FIRST)).options(name="known").remote(5)

    @jactors.remote
    class Friend:
        def __init__(self, counter):
            self.counter = counter

        def call(self, name, *args):
            return getattr(self.counter, name)(*args)

        def by_name(self):
            return jactors.get_actor("known").double()

    friend = Friend.remote(counter)
    assert friend.call("add") == 6
    jactors.reload(counter, define(SECOND))
    assert jactors.get_actor("known").double() == 12
    assert Friend.remote(None).by_name() == 24  # from the file of its name, in a process that had no handle yet
    assert friend.call("add", 1) == 34
    assert friend.call("double") == 68


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("class Counter(dict):\n    def add(self): return 1", "layout"),
        ("class Counter:\n    async def add(self): return 1", "async now and was sync"),
        (
            "class Counter:\n    @jactors.method(concurrency_group='io')\n    def add(self): return 1",
            "concurrency group 'io'",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_lost(counter, text, reason):
    with pytest.raises(ReloadError, match=reason):
        jactors.reload(counter, define(text))
    assert counter.add() == 6
    assert counter.old() == "old"


def test_a_class_that_nobody_finds(counter):
    with pytest.raises(ReloadError, match=r"no class Counter.*reload\(handle, cls\)"):
        jactors.reload(counter)


def test_helpers_in_the_state_follow(session):
    text = """
    class Point:
        def __init__(self, x):
            self.x = x
        def shown(self):
            return f"{MARK}{self.x}"

    class Holder:
        def __init__(self):
            self.points = [Point(1), Point(2)]
        def show(self):
            assert all(isinstance(point, Point) for point in self.points)
            return [point.shown() for point in self.points]
    """
    holder = jactors.remote(define(text.replace("{MARK}", "a"), "Holder")).remote()
    assert holder.show() == ["a1", "a2"]
    told = jactors.reload(holder, define(text.replace("{MARK}", "b"), "Holder"))
    assert holder.show() == ["b1", "b2"]
    assert told.notes == ()


@pytest.mark.parametrize("options", [{"max_concurrency": 2}, {"concurrency_groups": {"io": 1}}])
def test_a_threaded_actor(session, options):
    counter = jactors.remote(**options)(define(FIRST)).remote(5)
    jactors.reload(counter, define(SECOND))
    assert counter.double() == 10


def test_an_async_actor(session):
    text = "class Counter:\n    async def add(self): return {}"
    counter = jactors.remote(define(text.format(1))).remote()
    assert counter.add() == 1
    jactors.reload(counter, define(text.format(2)))
    assert counter.add() == 2


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of the user's on disk, and one that it imports from; returns how to write them."""
    monkeypatch.syspath_prepend(tmp_path)
    names = ("jx_model", "jx_layers")

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        importlib.invalidate_caches()

    write("jx_layers", "def scale(x):\n    return x * 2\n")
    write(
        "jx_model",
        """
        from jx_layers import scale
        class Model:
            def __init__(self):
                self.calls = 0
            def run(self, x):
                self.calls += 1
                return scale(x) + 1, self.calls
        """,
    )
    yield write
    for name in names:
        sys.modules.pop(name, None)


def test_modules_are_read_again_also_those_that_others_import_from(session, module):
    import jx_model

    model = jactors.remote(jx_model.Model).remote()
    assert model.run(1) == (3, 1)
    module("jx_layers", "def scale(x):\n    return x * 5\n")  # of the same size: a cached file would be believed
    told = jactors.reload(model)
    assert told.modules == ("jx_layers",)
    assert model.run(1) == (6, 2)
    module("jx_model", (jx_model.__spec__.loader.get_data(jx_model.__file__)).decode().replace("+ 1", "+ 3"))
    told = jactors.reload(model)
    assert (told.modules, told.changed) == (("jx_model",), ("run",))
    assert model.run(1) == (8, 3)


def test_a_module_that_does_not_compile_changes_nothing(session, module):
    import jx_model

    model = jactors.remote(jx_model.Model).remote()
    assert model.run(1) == (3, 1)
    module("jx_layers", "def scale(x):\n    return x * (\n")
    with pytest.raises(TaskError, match="SyntaxError"):
        jactors.reload(model)
    assert model.run(1) == (3, 2)
    module("jx_layers", "def scale(x):\n    return x * 7\n")
    jactors.reload(model)
    assert model.run(1) == (8, 3)


def test_a_class_of_a_module_that_does_not_fit_is_refused(session, module):
    import jx_model

    model = jactors.remote(jx_model.Model).remote()
    assert model.run(1) == (3, 1)
    module("jx_model", "class Model:\n    __slots__ = ('calls',)\n    def run(self, x): return 0\n")
    with pytest.raises(ReloadError, match="layout"):
        jactors.reload(model)
    assert model.run(1) == (3, 2)
