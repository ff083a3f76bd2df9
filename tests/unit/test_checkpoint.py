"""State at rest: what an object is taken apart into, and what comes back; files that are whole or not at all."""

from __future__ import annotations

import errno
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from enum import Enum

import cloudpickle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jactors.errors import CheckpointError
from jactors.objects import checkpoint, revival, statefile


def again(thing, cls=None):
    """Save `thing`, and bring it back."""
    pickled = checkpoint.capture(thing, cloudpickle.dumps)
    read = replace(pickled, buffers=[bytearray(buffer) for buffer in pickled.buffers])  # as a file gives them
    return revival.rebuild(cls or type(thing), read, cloudpickle.loads)


class Plain:
    def __init__(self):
        self.count = 1
        self.items = [1, 2]
        self.same = self.items


def test_attributes_come_back_and_shared_ones_stay_shared():
    back = again(Plain())
    assert (back.count, back.items) == (1, [1, 2]) and back.same is back.items


def test_init_does_not_run():
    class Once:
        def __init__(self):
            raise AssertionError

    thing = Once.__new__(Once)
    thing.x = 1
    assert again(thing).x == 1


def test_what_points_back_to_the_object_does_so_afterwards():
    class Tree:
        def hello(self):
            return self

    tree = Tree()
    tree.child = [tree]
    tree.hook = tree.hello
    tree.later = lambda: tree  # a closure: dill's
    back = again(tree)
    assert back.child[0] is back and back.hook() is back and back.later() is back


def test_slots():
    class Slim:
        __slots__ = ("a", "b")

    class Both(Slim):
        pass

    thing = Both()
    thing.a, thing.c = 1, 2
    back = again(thing)
    assert (back.a, back.c) == (1, 2) and not hasattr(back, "b")


def test_getstate_and_setstate_are_honoured():
    class Own:
        def __init__(self):
            self.a, self.cache = 1, "large"

        def __getstate__(self):
            return {"a": self.a}

        def __setstate__(self, state):
            self.a, self.cache = state["a"] + 1, "new"

    back = again(Own())
    assert (back.a, back.cache) == (2, "new")


def test_getnewargs_are_honoured():
    class Point:
        def __new__(cls, x):
            thing = super().__new__(cls)
            thing.x = x
            return thing

        def __getnewargs__(self):
            return (self.x,)

    thing = Point(3)
    thing.me = thing
    back = again(thing)
    assert back.x == 3 and back.me is back


def test_a_class_of_its_own_reduction():
    class Reduced:
        def __init__(self, x):
            self.x = x

        def __reduce__(self):
            return Reduced, (self.x + 1,)

    assert again(Reduced(1)).x == 2


def test_subclasses_of_containers_keep_what_they_contain():
    class Names(list):
        pass

    class Ages(dict):
        pass

    names, ages = Names("ab"), Ages(a=1)
    names.note, ages.note = "n", "a"
    assert again(names) == ["a", "b"] and again(names).note == "n"
    assert again(ages) == {"a": 1} and again(ages).note == "a"


def test_arrays_come_back_writable_and_are_not_copied_on_the_way():
    class Model:
        pass

    model = Model()
    model.weights = np.arange(100_000, dtype=float)
    model.flat = model.weights[::2]  # not contiguous
    pickled = checkpoint.capture(model, cloudpickle.dumps)
    assert any(np.shares_memory(np.frombuffer(view, dtype=float), model.weights) for view in pickled.buffers)
    back = again(model)
    back.weights[0] = -1.0
    assert back.weights[0] == -1.0 and np.array_equal(back.flat, model.flat)


def test_what_cannot_be_pickled_is_left_out_by_name():
    class Server:
        pass

    server = Server()
    server.count = 7
    server.items = server.same = [1]
    server.steps = (i for i in range(3))
    server.thread = threading.current_thread()
    pickled = checkpoint.capture(server, cloudpickle.dumps)
    assert set(pickled.missing) == {"steps", "thread"} and pickled.missing["steps"].startswith("generator: ")
    back = revival.rebuild(Server, pickled, cloudpickle.loads)
    assert back.count == 7 and back.same is back.items and not hasattr(back, "steps")


@pytest.mark.parametrize("kind", ["thread", "socket", "process", "file", "binary file"])
def test_what_is_of_its_process_alone_is_left_out(kind, tmp_path):
    made = {
        "thread": threading.Thread,
        "socket": socket.socket,
        "process": lambda: subprocess.Popen(["true"]),
        "file": lambda: (tmp_path / "f").open("w"),
        "binary file": lambda: (tmp_path / "f").open("wb"),
    }[kind]()
    thing = Plain()
    thing.live = made
    try:
        pickled = checkpoint.capture(thing, cloudpickle.dumps)
        assert list(pickled.missing) == ["live"] and "of its process alone" in pickled.missing["live"]
    finally:
        made.wait() if kind == "process" else made.close() if hasattr(made, "close") else None


def test_a_state_that_is_no_set_of_attributes_is_refused_where_it_cannot_be_pickled():
    class Odd:
        def __getstate__(self):
            return (i for i in range(3))

    with pytest.raises(CheckpointError, match=r"Odd cannot be pickled: .*generator"):
        checkpoint.capture(Odd(), cloudpickle.dumps)


def test_getstate_that_raises_is_named():
    class Odd:
        def __getstate__(self):
            raise RuntimeError("no")

    with pytest.raises(CheckpointError, match="Odd cannot be taken apart: no"):
        checkpoint.capture(Odd(), cloudpickle.dumps)


def test_lambdas_locks_and_closures_are_dills():
    class Odd:
        pass

    odd = Odd()
    n = 3
    odd.f = lambda x: x + n
    odd.lock = threading.Lock()
    assert checkpoint.capture(odd, cloudpickle.dumps).thorough
    back = again(odd)
    assert back.f(1) == 4 and not back.lock.locked()


def test_what_holds_stderr_holds_todays_afterwards():
    class Chatty:
        pass

    chatty = Chatty()
    chatty.out, chatty.handler = sys.stderr, logging.StreamHandler(sys.stdout)
    back = again(chatty)
    assert back.out is sys.stderr and back.handler.stream is sys.stdout


def test_plain_state_needs_no_dill():
    assert not checkpoint.capture(Plain(), cloudpickle.dumps).thorough


def test_dill_leaves_the_standard_librarys_pickler_alone():
    odd = Plain()
    odd.f = lambda: None
    again(odd)
    assert not [each for each in pickle._Pickler.dispatch.values() if each.__module__.startswith("dill")]


def of_a_cell():
    """A class and a helper as a notebook's cell has them: of no module, known to each other by their globals."""
    names = {"__name__": "__main__", "dataclass": dataclass, "Enum": Enum}
    source = """
@dataclass
class Point:
    x: int
class Colour(Enum):
    RED = 1
class Shape:
    def points(self):
        return [p for p in self.all if isinstance(p, Point)], Colour
"""
    exec(source, names)
    return names


def test_classes_of_a_cell_are_the_ones_that_the_actor_knows():
    names = of_a_cell()
    # As an actor has them: through cloudpickle, which tells a class that comes twice.
    cls = cloudpickle.loads(cloudpickle.dumps(names["Shape"]))
    shape = cls()
    known = cls.points.__globals__
    shape.all = [known["Point"](1), known["Point"](2)]
    shape.colour = known["Colour"].RED
    back = again(shape)
    assert type(back) is cls and len(back.points()[0]) == 2 and back.colour is known["Colour"].RED


def test_a_cell_that_was_run_again_does_not_split_a_class_in_two():
    old, new = of_a_cell(), of_a_cell()
    shape = old["Shape"]()
    shape.all = [old["Point"](1)]
    back = again(shape, new["Shape"])
    assert type(back) is new["Shape"] and type(back.all[0]) is new["Point"] and len(back.points()[0]) == 1


def test_a_class_that_the_actors_does_not_mention_goes_by_value():
    names = of_a_cell()
    thing = Plain()
    thing.other = [names["Point"](5)] * 3
    pickled = checkpoint.capture(thing, cloudpickle.dumps)
    assert bytes(pickled.stream).count(b"Point") < 12  # once, not for each of them
    assert revival.rebuild(Plain, pickled, cloudpickle.loads).other[0].x == 5


def test_a_stream_that_names_nonsense_is_refused():
    stream = pickle.dumps(1)[:-1] + b"0Pnonsense\n."
    with pytest.raises(pickle.UnpicklingError, match="nonsense"):
        checkpoint.thaw(checkpoint.Pickled(stream, ()), Plain, None, cloudpickle.loads)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
            max_leaves=20,
        ),
    )
)
def test_any_plain_state_comes_back_equal(state):
    thing = Plain()
    vars(thing).clear()
    vars(thing).update(state)
    assert vars(again(thing)) == state


# ---------------------------------------------------------------- files


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state"


def save(path, stream=b"stream", buffers=(b"one", b"two"), **header):
    return statefile.write(path, header, stream, [memoryview(buffer) for buffer in buffers])


def test_a_file_is_read_as_it_was_written(path):
    size = save(path, number=3)
    found = statefile.read(path)
    assert found.header["number"] == 3 and found.stream == b"stream" and found.buffers == [b"one", b"two"]
    assert size == path.stat().st_size and path.stat().st_mode & 0o777 == 0o600 and found.instead_of == ""


def test_umask_0_changes_nothing(path):
    before = os.umask(0)
    try:
        save(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_one_before_is_kept_and_no_other_file(path):
    for number in (1, 2, 3):
        save(path, number=number)
    assert statefile.read(path).header["number"] == 3
    assert statefile.read(statefile.before(path)).header["number"] == 2
    assert sorted(p.name for p in path.parent.iterdir()) == ["state", "state.before"]


@pytest.mark.parametrize("at", range(0, 300, 7))
def test_each_torn_file_is_recognised_and_the_one_before_used(path, at):
    save(path, number=1)
    save(path, number=2, stream=b"s" * 200)
    data = path.read_bytes()
    path.write_bytes(data[: min(at, len(data) - 1)])
    path.chmod(0o600)
    found = statefile.read_latest(path)
    assert found.header["number"] == 1 and str(path) in found.instead_of


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_each_changed_byte_is_recognised(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "state"
    save(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"torn|damaged|no state file"):
        statefile.read(path)


def test_where_both_are_damaged_both_are_named(path):
    save(path)
    save(path)
    for each in (path, statefile.before(path)):
        each.write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match=r"no state file.*and the one before it.*no state file"):
        statefile.read_latest(path)


def test_a_missing_file_is_no_damage(path):
    with pytest.raises(FileNotFoundError):
        statefile.read_latest(path)


def test_a_crash_between_two_renames_leaves_the_one_before(path):
    save(path, number=1)
    path.rename(statefile.before(path))
    found = statefile.read_latest(path)
    assert found.header["number"] == 1 and "missing" in found.instead_of


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(path):
    save(path)
    os.chown(path, 1000, 1000)
    with pytest.raises(CheckpointError, match="belongs to uid 1000"):
        statefile.read(path)


def test_a_file_that_others_can_write_is_refused(path):
    save(path)
    path.chmod(0o662)
    with pytest.raises(CheckpointError, match="can be written by others"):
        statefile.read(path)


def test_a_directory_is_no_state_file(path):
    path.mkdir()
    with pytest.raises(CheckpointError, match="cannot be read"):
        statefile.read(path)


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_an_error_at_any_step_leaves_what_was_there(path, monkeypatch, step):
    save(path, number=1)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        monkeypatch.setattr(statefile, "_write_all", full)
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(type(path), "replace", full)
    with pytest.raises(CheckpointError, match="No space left"):
        save(path, number=2)
    monkeypatch.undo()
    assert statefile.read(path).header["number"] == 1
    assert {p.name for p in path.parent.iterdir() if p.name.startswith(".state.") and "before" not in p.name} == set()


def test_an_interrupt_leaves_nothing_half_written(path, monkeypatch):
    def strike(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", strike)
    with pytest.raises(KeyboardInterrupt):
        save(path)
    assert list(path.parent.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="No such file"):
        save(tmp_path / "nowhere" / "state")
