"""State that survives: saved between two calls, whole on disk, there again after kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import threading
import time
from pathlib import Path

import pytest

import jactors
from jactors.exceptions import ActorDiedError, ActorUnavailableError, CheckpointError, GetTimeoutError
from tests.live.conftest import until_exists

TIMEOUT = 30


class Plain:
    def __init__(self, start=0):
        self.count = start
        self.half = None

    def add(self, by=1):
        self.count += by
        return self.count

    def get(self):
        return self.count

    def pid(self):
        return os.getpid()

    def born(self):
        return vars(self)

    def wait_for(self, ready, gate, by=1):
        """Half of it is done before the gate opens."""
        self.half = "done"
        open(ready, "w").close()
        while not os.path.exists(gate):
            time.sleep(0.002)
        self.half = None
        self.count += by
        return self.count


@pytest.fixture
def make(session):
    """Start actors that end with the test."""
    made = []

    def make(cls, *args, **options):
        actor = jactors.remote(**options)(cls).remote(*args) if options else jactors.remote(cls).remote(*args)
        made.append(actor)
        return actor

    yield make
    for actor in made:
        jactors.kill(actor)


def crash(actor):
    """kill -9, and wait until the next incarnation answers."""
    pid = actor.pid()
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            if actor.pid() != pid:
                return
        except ActorUnavailableError:
            pass


def state_file(actor):
    return jactors.session.current().folder / f"{actor._actor_id.hex()[:10]}.state"


# ---------------------------------------------------------------- after a crash


def test_every_n_calls_what_was_answered_is_there_again(make):
    actor = make(Plain, 5, max_restarts=2, checkpoint=1)
    assert [actor.add(), actor.add()] == [6, 7]
    crash(actor)
    assert actor.get() == 7
    crash(actor)
    assert actor.add() == 8


def test_without_checkpoint_it_begins_anew(make):
    actor = make(Plain, 5, max_restarts=1)
    actor.add()
    crash(actor)
    assert actor.get() == 5


def test_every_n_calls_saves_at_the_nth(make):
    actor = make(Plain, max_restarts=-1, checkpoint=3)
    actor.__ray_ready__()
    actor.add()
    assert not state_file(actor).exists()
    actor.add()
    assert state_file(actor).exists()
    assert stat.S_IMODE(state_file(actor).stat().st_mode) == 0o600
    actor.add()
    crash(actor)
    assert actor.get() == 2  # the third was answered, and is lost


def test_every_so_many_seconds(make):
    actor = make(Plain, max_restarts=1, checkpoint="20ms")
    actor.add()
    until_exists(state_file(actor))
    crash(actor)
    assert actor.get() == 1


def test_where_nothing_has_run_nothing_is_saved_again(make):
    actor = make(Plain, max_restarts=1, checkpoint="20ms")
    actor.add()
    until_exists(state_file(actor))
    time.sleep(0.1)  # a few times the interval, with nothing to do
    number = jactors.checkpoint(actor).number
    assert number <= 4


def test_on_demand_only(make):
    actor = make(Plain, max_restarts=1, checkpoint="on_demand")
    actor.add()
    assert jactors.checkpoint(actor).number == 1
    actor.add()
    crash(actor)
    assert actor.get() == 1


def test_one_that_was_not_saved_yet_begins_anew_and_says_so(make, capfd):
    actor = make(Plain, 3, max_restarts=1, checkpoint="on_demand")
    actor.add()
    crash(actor)
    assert actor.get() == 3
    assert "had not been saved yet" in capfd.readouterr().err


def test_init_does_not_run_again(make, tmp_path):
    class Once(Plain):
        def __init__(self, path):
            super().__init__()
            with open(path, "a") as file:
                file.write("init\n")

    actor = make(Once, str(tmp_path / "log"), max_restarts=1, checkpoint=1)
    actor.add()
    crash(actor)
    assert actor.get() == 1 and (tmp_path / "log").read_text() == "init\n"


def test_attributes_that_cannot_be_pickled_are_made_by_init_and_the_rest_is_laid_over(make, capfd):
    class Server(Plain):
        def __init__(self, start):
            super().__init__(start)
            self.lines = (i for i in range(10))

        def line(self):
            return next(self.lines)

    actor = make(Server, 5, max_restarts=1, checkpoint=1)
    assert [actor.line(), actor.line(), actor.add()] == [0, 1, 6]
    assert set(jactors.checkpoint(actor).missing) == {"lines"}
    crash(actor)
    assert [actor.line(), actor.get()] == [0, 6]
    assert "saved without lines (generator: " in capfd.readouterr().err


def test_the_restore_hook_makes_what_is_missing_without_init(make):
    class Server(Plain):
        def __init__(self):
            super().__init__()
            self.inits = 1
            self.thread = threading.Thread()
            self.cache = "large"

        def __getstate__(self):
            return {name: value for name, value in vars(self).items() if name != "cache"}

        def __jactors_restore__(self, missing):
            self.asked = missing
            self.thread = self.cache = "again"

        def seen(self):
            return self.inits, self.asked, self.thread, self.cache, self.count

    actor = make(Server, max_restarts=1, checkpoint=1)
    actor.add()
    crash(actor)
    assert actor.seen() == (1, ("thread",), "again", "again", 1)


def test_a_hook_that_raises_is_a_start_that_failed(make):
    class Bad(Plain):
        def __jactors_restore__(self, missing):
            raise LookupError("no server")

    actor = make(Bad, max_restarts=3, checkpoint=1)
    os.kill(actor.pid(), signal.SIGKILL)
    with pytest.raises(ActorDiedError, match=r"cannot be brought back: LookupError: no server"):
        while True:
            try:
                actor.get()
            except ActorUnavailableError:
                pass


def test_a_retried_call_finds_the_state(make, tmp_path):
    class Fragile(Plain):
        def die_once(self, path):
            if not os.path.exists(path):
                open(path, "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            return self.add(100)

    actor = make(Fragile, max_restarts=1, max_task_retries=1, checkpoint=1)
    actor.add()
    assert actor.die_once(str(tmp_path / "died")) == 101


def test_classes_of_the_session_stay_one(make):
    class Point:
        pass

    class Shapes(Plain):
        def put(self):
            self.point = Point()

        def same(self):
            return isinstance(self.point, Point)

    actor = make(Shapes, max_restarts=1, checkpoint=1)
    actor.put()
    crash(actor)
    assert actor.same()


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("damage", ["torn", "changed", "empty", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_the_user_is_told(make, capfd, damage):
    actor = make(Plain, max_restarts=1, checkpoint=1)
    assert [actor.add(), actor.add(), actor.add()] == [1, 2, 3]
    path = state_file(actor)
    pid = actor.pid()  # saved too: 3 is in both
    actor.add()
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    {
        "torn": lambda: path.write_bytes(data[:-20]),
        "changed": lambda: path.write_bytes(data),
        "empty": lambda: path.write_bytes(b""),
        "gone": path.unlink,
    }[damage]()
    os.kill(pid, signal.SIGKILL)
    while True:
        try:
            assert actor.get() == 3
            break
        except ActorUnavailableError:
            pass
    told = capfd.readouterr().err
    assert "has the state of the checkpoint before the last one" in told and str(path) in told


def test_where_no_checkpoint_can_be_used_it_dies_rather_than_begin_anew_in_silence(make):
    actor = make(Plain, max_restarts=5, checkpoint=1)
    pid = actor.pid()
    actor.add()
    path = state_file(actor)
    for each in (path, path.with_name(path.name + ".before")):
        each.write_bytes(b"rubbish" * 20)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ActorDiedError, match=r"no state file of this version.*and the one before it"):
        while True:
            try:
                actor.get()
            except ActorUnavailableError:
                pass


def test_a_state_that_cannot_be_written_costs_no_call_and_is_said_once(make, capfd):
    actor = make(Plain, max_restarts=1, checkpoint=1)
    actor.add()
    path = state_file(actor)
    aside = path.with_name(f".{path.name}.{actor.pid()}")
    aside.mkdir()  # where it wants to write aside
    before = path.read_bytes()
    assert [actor.add() for _ in range(5)] == [2, 3, 4, 5, 6]
    assert path.read_bytes() == before
    with pytest.raises(CheckpointError, match="cannot be written"):
        jactors.checkpoint(actor)
    assert capfd.readouterr().err.count("could not be saved, and goes on") == 1
    aside.rmdir()
    assert actor.add() == 7
    crash(actor)
    assert actor.get() == 7


# ---------------------------------------------------------------- the moment


def test_on_demand_takes_its_turn_behind_what_was_submitted_before(make, tmp_path):
    actor = make(Plain)
    ready, gate = tmp_path / "ready", tmp_path / "gate"
    refs = [actor.wait_for.remote(str(ready), str(gate)), *(actor.add.remote() for _ in range(50))]
    until_exists(ready)
    threading.Timer(0.05, gate.touch).start()
    jactors.checkpoint(actor, tmp_path / "state")
    later = actor.add.remote()
    jactors.get([*refs, later], timeout=TIMEOUT)
    jactors.restore(actor, tmp_path / "state")
    assert actor.born() == {"count": 51, "half": None}


def test_ahead_waits_for_the_running_call_alone(make, tmp_path):
    actor = make(Plain)
    blocked = [actor.wait_for.remote(str(tmp_path / f"ready{i}"), str(tmp_path / f"gate{i}")) for i in range(2)]
    until_exists(tmp_path / "ready0")
    done = []
    thread = threading.Thread(target=lambda: done.append(jactors.checkpoint(actor, tmp_path / "state", ahead=True)))
    thread.start()
    with pytest.raises(GetTimeoutError):
        jactors.checkpoint(actor, tmp_path / "other", ahead=True, timeout=0.05)
    assert not done
    (tmp_path / "gate0").touch()
    thread.join(TIMEOUT)
    assert done and not (tmp_path / "other").exists()
    (tmp_path / "gate1").touch()
    jactors.get(blocked, timeout=TIMEOUT)
    jactors.restore(actor, tmp_path / "state")
    assert actor.born() == {"count": 1, "half": None}


def test_an_actor_that_is_not_born_yet_is_waited_for(make, tmp_path):
    first = make(Plain, 7)
    assert jactors.checkpoint(first, tmp_path / "a", ahead=True).number == 1
    second = make(Plain)
    jactors.restore(second, tmp_path / "a")
    assert second.get() == 7


class Threaded(Plain):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()
        self.a = self.b = 0

    def both(self):
        self.a += 1
        time.sleep(0.001)
        self.b += 1

    def alike(self):
        return self.a, self.b


def test_a_threaded_actor_is_saved_while_no_call_is_under_way(make, tmp_path):
    class Pairs:
        def __init__(self):
            self.lock = threading.Lock()
            self.a = self.b = 0

        def both(self):
            with self.lock:
                self.a += 1
            time.sleep(0.002)
            with self.lock:
                self.b += 1

        def pair(self):
            return self.a, self.b

    actor = make(Pairs, max_concurrency=4)
    refs = [actor.both.remote() for _ in range(60)]
    jactors.checkpoint(actor, tmp_path / "one", ahead=True)
    jactors.checkpoint(actor, tmp_path / "two")
    jactors.get(refs, timeout=TIMEOUT)
    other = make(Pairs)
    for name in ("one", "two"):
        jactors.restore(other, tmp_path / name)
        a, b = other.pair()
        assert a == b
    assert (a, b) == (60, 60)


def test_every_n_calls_of_a_threaded_actor(make):
    actor = make(Plain, max_concurrency=2, max_restarts=1, checkpoint=2)
    jactors.get([actor.add.remote() for _ in range(4)], timeout=TIMEOUT)
    until_exists(state_file(actor))
    crash(actor)
    assert actor.get() >= 2


def test_a_threaded_call_that_goes_on_for_ever_does_not_stop_the_rest(make, tmp_path):
    actor = make(Plain, max_concurrency=2)
    endless = actor.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    until_exists(tmp_path / "ready")
    with pytest.raises(GetTimeoutError):
        jactors.checkpoint(actor, ahead=True, timeout=0.1)
    assert actor.add(10) == 10
    (tmp_path / "gate").touch()
    assert jactors.get(endless, timeout=TIMEOUT) == 11
    assert jactors.checkpoint(actor, ahead=True, timeout=TIMEOUT).number == 1


def test_an_async_actor_is_saved_while_its_coroutines_wait(make, tmp_path):
    class Async:
        def __init__(self):
            self.event = asyncio.Event()
            self.steps = 0

        async def wait(self):
            self.steps += 1
            await self.event.wait()
            self.steps += 1
            return self.steps

        async def go(self):
            self.event.set()

        async def seen(self):
            return self.steps

        async def __jactors_restore__(self, missing):
            await asyncio.sleep(0)
            self.event = asyncio.Event()

        async def pid(self):
            return os.getpid()

    actor = make(Async, max_restarts=1, checkpoint=2)
    waiting = actor.wait.remote()
    while actor.seen() != 1:
        pass
    assert jactors.checkpoint(actor).number >= 1
    jactors.checkpoint(actor, tmp_path / "state", ahead=True)
    actor.go()
    assert jactors.get(waiting, timeout=TIMEOUT) == 2
    jactors.restore(actor, tmp_path / "state")
    assert actor.seen() == 1
    crash(actor)
    assert actor.seen() >= 1


# ---------------------------------------------------------------- by hand


def test_a_file_outlives_its_actor(make, tmp_path):
    first = make(Plain, 41)
    first.add()
    saved = jactors.checkpoint(first, tmp_path / "counter.state")
    assert saved.path == str(tmp_path / "counter.state") and saved.size == Path(saved.path).stat().st_size
    jactors.kill(first)
    second = make(Plain)
    assert jactors.restore(second, tmp_path / "counter.state").saved_at == saved.saved_at
    assert second.get() == 42


def test_paths_are_the_callers(make, tmp_path, monkeypatch):
    actor = make(Plain)
    actor.__ray_ready__()
    monkeypatch.chdir(tmp_path)
    jactors.checkpoint(actor, "here")
    assert (tmp_path / "here").exists()


def test_restore_takes_away_what_has_come_since_and_keeps_what_could_not_be_saved(make, tmp_path):
    class Server(Plain):
        def __init__(self):
            super().__init__()
            self.thread = threading.Thread()

        def change(self):
            self.new, self.count = 1, 100

        def names(self):
            return sorted(vars(self)), self.count

    actor = make(Server)
    jactors.checkpoint(actor, tmp_path / "s")
    actor.change()
    jactors.restore(actor, tmp_path / "s")
    assert actor.names() == (["count", "half", "thread"], 0)


def test_a_restore_that_fails_changes_nothing(make, tmp_path):
    class Bad(Plain):
        def __setstate__(self, state):
            self.count = "half"
            raise RuntimeError("no")

    actor = make(Bad, 3)
    jactors.checkpoint(actor, tmp_path / "s")
    actor.add()
    with pytest.raises(CheckpointError, match="RuntimeError: no"):
        jactors.restore(actor, tmp_path / "s")
    assert actor.get() == 4


def test_refusals(make, tmp_path):
    actor = make(Plain, 3)
    with pytest.raises(CheckpointError, match="there is no checkpoint at"):
        jactors.restore(actor)
    with pytest.raises(CheckpointError, match=r"cannot be written to .*No such file"):
        jactors.checkpoint(actor, tmp_path / "nowhere" / "s")
    jactors.checkpoint(make(Threaded), tmp_path / "other")
    with pytest.raises(CheckpointError, match="holds the state of a Threaded, not of a Plain"):
        jactors.restore(actor, tmp_path / "other")
    jactors.checkpoint(actor, tmp_path / "s")
    (tmp_path / "s").chmod(0o666)
    with pytest.raises(CheckpointError, match="can be written by others"):
        jactors.restore(actor, tmp_path / "s")
    with pytest.raises(ValueError, match=r"checkpoint\(\) takes an actor's handle, got int"):
        jactors.checkpoint(3)
    assert actor.get() == 3


def test_checkpoint_without_restarts_is_refused():
    with pytest.raises(ValueError, match="needs max_restarts"):
        jactors.remote(checkpoint=1)(Plain).remote()


def test_what_an_actor_has_saved_goes_with_it(make):
    actor = make(Plain, max_restarts=1, checkpoint=1)
    actor.add()
    path = state_file(actor)
    assert path.exists()
    jactors.kill(actor)
    with pytest.raises(ActorDiedError):
        jactors.get(actor.get.remote(), timeout=TIMEOUT)
    assert not path.exists() and not path.with_name(path.name + ".before").exists()


def test_the_certificate_says_what_became_of_the_state_and_another_can_have_it(make):
    actor = make(Plain, max_restarts=1, checkpoint=1)
    actor.add(7)
    os.kill(actor.pid(), signal.SIGKILL)
    with pytest.raises(ActorUnavailableError, match=r"state: it begins again with its checkpoint of \d\d:\d\d:\d\d"):
        while True:
            actor.get()
    crash_for_good = None
    while crash_for_good is None:
        try:
            os.kill(actor.pid(), signal.SIGKILL)
        except ActorUnavailableError:
            continue
        with pytest.raises(
            ActorDiedError, match=r"state: another can have its checkpoint of .*: jactors\.restore"
        ) as died:
            jactors.get(actor.get.remote(), timeout=TIMEOUT)
        crash_for_good = died.value
    path = crash_for_good.state.partition("jactors.restore(another, '")[2].rstrip("')")
    other = make(Plain)
    jactors.restore(other, path)
    assert other.get() == 7
