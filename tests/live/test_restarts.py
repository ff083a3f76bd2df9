"""How actors end, come back, and what becomes of their calls (section 4 of the API)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

import jactors
from tests.live.conftest import until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


class Mortal:
    def __init__(self, log=None, how=None):
        self.n = 0
        if log is not None:
            with open(log, "a") as file:
                file.write("init\n")
        if how is not None:
            with open(log) as file:
                end(how(file.read().count("init")) if callable(how) else how)

    def add(self):
        self.n += 1
        return self.n

    def pid(self):
        return os.getpid()

    def die(self, how):
        end(how)

    def reconstructed(self):
        return jactors.get_runtime_context().was_current_actor_reconstructed

    def actor_id(self):
        return jactors.get_runtime_context().get_actor_id()

    def note(self, path, what, die_at=None):
        """Write `what`; die when it is `die_at` and comes for the first time."""
        with open(path, "a") as file:
            file.write(f"{what}\n")
        if what == die_at and lines(path).count(str(what)) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return what

    def wait_and_die(self, path, gate):
        with open(path, "a") as file:
            file.write("run\n")
        while not os.path.exists(gate):
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGKILL)

    def wait_for(self, ready, gate):
        open(ready, "w").close()
        while not os.path.exists(gate):
            time.sleep(0.002)
        return "waited"

    def child(self):
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid

    def __ray_shutdown__(self):
        pass


def end(how):
    if how == "exit_actor":
        jactors.actor.exit_actor()
    elif how == "exception":
        raise ValueError("cannot go on")
    elif isinstance(how, int):
        sys.exit(how)
    elif how == "os._exit":
        os._exit(3)
    elif how == "os._exit(0)":
        os._exit(0)
    elif how is not None:
        os.kill(os.getpid(), getattr(signal, how))
        time.sleep(TIMEOUT)


class Flaky:
    def __init__(self):
        self.runs = 0

    def fails(self, times, kind=ValueError):
        """Fail so many times; then return how often it ran."""
        self.runs += 1
        if self.runs <= times:
            raise kind(f"run {self.runs}")
        return self.runs

    @jactors.method(max_task_retries=2, retry_exceptions=[ValueError])
    def decorated(self, times, kind=ValueError):
        return self.fails(times, kind)

    def count(self):
        return self.runs


Actor = jactors.remote(Mortal)
Retries = jactors.remote(max_restarts=-1, max_task_retries=-1)(Mortal)


def got(refs):
    return jactors.get(refs, timeout=TIMEOUT)


def lines(path):
    with open(path) as file:
        return file.read().split()


def again(actor, method="add", *args):
    """Call until the actor is back."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return got(getattr(actor, method).remote(*args))
        except exceptions.ActorUnavailableError:
            assert time.monotonic() < deadline, "it never came back"
            time.sleep(0.005)


def starts(log):
    return lines(log).count("init")


# ---------------------------------------------------------------- the table: how it ends, and whether it restarts


@pytest.mark.parametrize("how", ["SIGKILL", "SIGSEGV", "SIGABRT", "os._exit", "os._exit(0)", 3, 1])
def test_an_unwanted_end_restarts(session, how):
    actor = Actor.options(max_restarts=1).remote()
    before = actor.pid()
    assert actor.add() == 1 and actor.reconstructed() is False
    with pytest.raises(exceptions.ActorUnavailableError, match="restarts used: 1 of 1"):
        got(actor.die.remote(how))
    assert again(actor) == 1  # its state is lost
    assert actor.pid() != before and actor.reconstructed() is True
    assert actor.actor_id() == actor._actor_id.hex()
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.die.remote(how))
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.add.remote())


@pytest.mark.parametrize(
    ("how", "text"),
    [("exit_actor", r"exit_actor\(\) is called"), (0, "exit code 0")],
    ids=["exit_actor", "sys.exit(0)"],
)
def test_a_wanted_end_does_not_restart(session, how, text):
    actor = Actor.options(max_restarts=-1).remote()
    with pytest.raises(exceptions.ActorDiedError, match=text):
        got(actor.die.remote(how))
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.add.remote())


def test_terminate_runs_after_earlier_calls_and_does_not_restart(session):
    actor = Actor.options(max_restarts=-1).remote()
    earlier = [actor.add.remote() for _ in range(10)]
    last = actor.__ray_terminate__.remote()
    assert got(earlier) == list(range(1, 11))
    for ref in (last, actor.add.remote()):
        with pytest.raises(exceptions.ActorDiedError):
            got(ref)


def test_kill_overrides_max_restarts(session):
    actor = Actor.options(max_restarts=-1, max_task_retries=-1).remote()
    actor.add()
    jactors.kill(actor)
    with pytest.raises(exceptions.ActorDiedError, match=r"killed by `jactors\.kill`"):
        got(actor.add.remote())


def test_kill_with_a_restart_uses_one(session):
    actor = Actor.options(max_restarts=1).remote()
    before = actor.pid()
    jactors.kill(actor, no_restart=False)
    deadline = time.monotonic() + TIMEOUT
    while again(actor, "pid") == before:
        assert time.monotonic() < deadline
    assert actor.reconstructed() is True
    jactors.kill(actor, no_restart=False)
    with pytest.raises(exceptions.ActorDiedError):
        while True:
            again(actor)


def test_kill_with_a_restart_where_there_is_none_left(session):
    actor = Actor.remote()
    actor.add()
    jactors.kill(actor, no_restart=False)
    with pytest.raises(exceptions.ActorDiedError, match=r"killed by `jactors\.kill\(no_restart=False\)`"):
        while True:
            got(actor.add.remote())


def test_restarts_without_limit(session):
    actor = Actor.options(max_restarts=-1).remote()
    pids = set()
    for _ in range(4):
        pids.add(again(actor, "pid"))
        with pytest.raises(exceptions.ActorUnavailableError):
            got(actor.die.remote("SIGKILL"))
    assert len(pids) == 4 and again(actor) == 1


def test_an_exception_of_a_method_restarts_nothing(session):
    actor = Actor.options(max_restarts=1).remote()
    with pytest.raises(ValueError, match="cannot go on"):
        actor.die("exception")
    assert actor.add() == 1 and actor.reconstructed() is False


def test_the_original_arguments_are_used_again(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=1).remote(log)
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    assert again(actor) == 1 and starts(log) == 2


def test_names_and_handles_stay_valid(session):
    actor = Actor.options(max_restarts=1, name="phoenix").remote()
    weak = jactors.get_actor("phoenix")
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    assert again(weak) == 1 and jactors.get_actor("phoenix") == actor and actor.add() == 2


def test_what_it_had_started_is_ended(session):
    actor = Actor.options(max_restarts=1).remote()
    pid = actor.child()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    again(actor)
    from tests.live.conftest import gone

    assert gone(pid) == []


# ---------------------------------------------------------------- __init__


@pytest.mark.parametrize("restarts", [0, 2, -1])
def test_an_exception_in_init_never_restarts(session, tmp_path, restarts):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=restarts, max_task_retries=restarts).remote(log, "exception")
    with pytest.raises(exceptions.ActorDiedError, match="cannot go on"):
        got(actor.add.remote())
    assert starts(log) == 1


def test_an_exception_in_init_at_a_restart_ends_it(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=-1).remote(log, lambda run: "exception" if run > 1 else None)
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    with pytest.raises(exceptions.ActorDiedError, match="cannot go on"):
        again(actor)
    assert starts(log) == 2


@pytest.mark.parametrize("restarts", [0, 2])
def test_os_exit_in_init_is_tried_up_to_max_restarts(session, tmp_path, restarts):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=restarts, max_task_retries=-1 if restarts else 0).remote(log, "os._exit")
    with pytest.raises(exceptions.ActorDiedError, match="exit code 3") as caught:
        got(actor.add.remote())
    assert (caught.value.restarts, caught.value.max_restarts) == (restarts, restarts)
    assert starts(log) == 1 + restarts


def test_os_exit_in_init_is_survived(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Retries.remote(log, lambda run: "os._exit" if run < 3 else None)
    assert got(actor.add.remote()) == 1 and starts(log) == 3


def test_calls_made_before_the_actor_was_ever_up_wait_for_it_also_without_retries(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=2).remote(log, lambda run: "os._exit" if run < 3 else None)
    assert got(actor.add.remote()) == 1 and starts(log) == 3


@pytest.mark.parametrize("how", ["exit_actor", 0])
def test_leaving_in_init_does_not_restart(session, tmp_path, how):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=-1).remote(log, how)
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.add.remote())
    assert starts(log) == 1


# ---------------------------------------------------------------- calls without retries


def test_running_and_sent_calls_are_unavailable_and_may_have_run(session, tmp_path):
    actor = Actor.options(max_restarts=1).remote()
    running = actor.wait_and_die.remote(str(tmp_path / "log"), str(tmp_path / "gate"))
    queued = [actor.add.remote() for _ in range(3)]
    (tmp_path / "gate").touch()
    for ref in (running, *queued):
        with pytest.raises(exceptions.ActorUnavailableError, match="may or may not have been executed"):
            got(ref)
    assert again(actor) == 1 and lines(tmp_path / "log") == ["run"]


def test_calls_while_restarting_fail_at_once(session, tmp_path):
    log, gate = str(tmp_path / "log"), tmp_path / "gate"

    class Slow(Mortal):
        def __init__(self):
            with open(log, "a") as file:
                file.write("init\n")
            while starts(log) > 1 and not gate.exists():
                time.sleep(0.002)
            self.n = 0

    actor = jactors.remote(Slow).options(max_restarts=1).remote()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    for _ in range(3):
        with pytest.raises(exceptions.ActorUnavailableError):
            got(actor.add.remote())
    waits = actor.add.options(max_task_retries=1).remote()  # may be sent again: it waits
    assert jactors.wait([waits], timeout=0.1)[0] == []
    gate.touch()
    assert got(waits) == 1 and actor.add() == 2


def test_without_restarts_all_calls_die(session, tmp_path):
    actor = Actor.options(max_task_retries=-1).remote()
    running = actor.wait_and_die.remote(str(tmp_path / "log"), str(tmp_path / "gate"))
    queued = [actor.add.remote() for _ in range(3)]
    (tmp_path / "gate").touch()
    for ref in (running, *queued, actor.add.remote()):
        with pytest.raises(exceptions.ActorDiedError):
            got(ref)


# ---------------------------------------------------------------- max_task_retries


def test_lost_calls_are_run_again_in_order_and_finished_ones_are_not(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Retries.remote()
    assert got([actor.note.remote(log, i) for i in range(5)]) == list(range(5))
    refs = [actor.note.remote(log, i, 5) for i in range(5, 400)]
    assert got(refs) == list(range(5, 400))
    assert [int(line) for line in lines(log)] == [0, 1, 2, 3, 4, 5, *range(5, 400)]


def test_order_is_kept_across_a_restart_also_with_a_pending_argument(session, tmp_path):
    log, gate = str(tmp_path / "log"), str(tmp_path / "gate")
    other, actor = Actor.remote(), Retries.remote()
    pending = other.wait_for.remote(str(tmp_path / "ready"), gate)
    first = actor.note.remote(log, 0, 0)
    second = actor.note.remote(log, pending)
    rest = [actor.note.remote(log, i) for i in range(2, 20)]
    assert got(first) == 0
    open(gate, "w").close()
    assert got([second, *rest]) == ["waited", *range(2, 20)]
    assert lines(log) == ["0", "0", "waited", *map(str, range(2, 20))]


def test_calls_that_come_while_it_restarts_wait_and_keep_their_place(session, tmp_path):
    log, gate = str(tmp_path / "log"), str(tmp_path / "gate")
    actor = Retries.remote()
    actor.add()
    dies = actor.wait_and_die.options(max_task_retries=0).remote(log, gate)
    before = [actor.note.remote(log, i) for i in range(5)]
    open(gate, "w").close()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(dies)
    after = [actor.note.remote(log, i) for i in range(5, 10)]
    assert got(before + after) == list(range(10))
    assert lines(log) == ["run", *map(str, range(10))]


@pytest.mark.parametrize("retries", [1, 2])
def test_so_many_retries_and_then_unavailable_where_it_lives(session, tmp_path, retries):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=-1, max_task_retries=retries).remote()
    (tmp_path / "gate").touch()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.wait_and_die.remote(log, str(tmp_path / "gate")))
    assert lines(log) == ["run"] * (1 + retries)
    assert got(actor.add.remote()) == 1


def test_retries_outlast_the_restarts_and_it_has_died(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=2, max_task_retries=-1).remote()
    (tmp_path / "gate").touch()
    with pytest.raises(exceptions.ActorDiedError):
        got(actor.wait_and_die.remote(log, str(tmp_path / "gate")))
    assert lines(log) == ["run"] * 3


def test_retries_by_the_call_before_those_of_the_actor(session, tmp_path):
    log = str(tmp_path / "log")
    actor = Actor.options(max_restarts=-1, max_task_retries=-1).remote()
    (tmp_path / "gate").touch()
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.wait_and_die.options(max_task_retries=0).remote(log, str(tmp_path / "gate")))
    assert lines(log) == ["run"]


@pytest.mark.parametrize("options", [{"max_concurrency": 3}, {"concurrency_groups": {"io": 2}}], ids=["pool", "groups"])
def test_lost_calls_of_a_threaded_actor_all_end(session, tmp_path, options):
    log = str(tmp_path / "log")
    actor = jactors.remote(max_restarts=-1, max_task_retries=-1, **options)(Mortal).remote()
    refs = [actor.note.remote(log, i, 30) for i in range(60)]
    assert got(refs) == list(range(60)) and set(lines(log)) == {str(i) for i in range(60)}


def test_results_that_were_delivered_outlive_the_incarnation(session):
    actor = Actor.options(max_restarts=1).remote()
    ref = actor.add.remote()
    assert got(ref) == 1
    with pytest.raises(exceptions.ActorUnavailableError):
        got(actor.die.remote("SIGKILL"))
    assert got(ref) == 1


# ---------------------------------------------------------------- retry_exceptions


@pytest.fixture
def flaky(session):
    return jactors.remote(Flaky).remote()


def test_exceptions_are_not_retried_unasked(flaky):
    with pytest.raises(ValueError, match="run 1"):
        got(flaky.fails.options(max_task_retries=5).remote(1))
    assert flaky.count() == 1


def test_exceptions_are_retried_on_the_same_living_actor(flaky):
    assert got(flaky.fails.options(max_task_retries=3, retry_exceptions=True).remote(3)) == 4


def test_n_retries_are_n_plus_one_runs_and_the_last_exception_is_raised(flaky):
    with pytest.raises(ValueError, match="run 3"):
        got(flaky.fails.options(max_task_retries=2, retry_exceptions=True).remote(10))
    assert flaky.count() == 3


def test_only_listed_types_are_retried(flaky):
    options = flaky.fails.options(max_task_retries=5, retry_exceptions=[ValueError])
    with pytest.raises(TypeError, match="run 1"):
        got(options.remote(3, TypeError))
    assert got(options.remote(3, UnicodeError)) == 4  # a subclass


def test_retries_of_the_method_and_by_the_call(flaky):
    assert got(flaky.decorated.remote(2)) == 3
    with pytest.raises(ValueError, match="run 4"):
        got(flaky.decorated.options(max_task_retries=0).remote(10))


def test_retry_exceptions_without_retries_does_nothing(flaky):
    with pytest.raises(ValueError, match="run 1"):
        got(flaky.fails.options(retry_exceptions=True).remote(1))


def test_retries_without_limit(flaky):
    assert got(flaky.fails.options(max_task_retries=-1, retry_exceptions=True).remote(50)) == 51


def test_deaths_and_exceptions_share_the_retries(session, tmp_path):
    log = str(tmp_path / "log")

    class Both(Mortal):
        def next(self):
            with open(log, "a") as file:
                file.write("run\n")
            run = len(lines(log))
            if run % 2:
                raise ValueError(run)
            os.kill(os.getpid(), signal.SIGKILL)

    actor = jactors.remote(Both).options(max_restarts=-1, max_task_retries=4).remote()
    with pytest.raises(ValueError, match="5"):
        got(actor.next.options(retry_exceptions=True).remote())
    assert len(lines(log)) == 5


# ---------------------------------------------------------------- others in the same actor


def test_exit_actor_lets_the_other_running_calls_of_a_pool_finish(session, tmp_path):
    actor = Actor.options(max_concurrency=2, max_restarts=-1).remote()
    running = actor.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    until_exists(tmp_path / "ready")
    leaves = actor.die.remote("exit_actor")
    (tmp_path / "gate").touch()
    assert got(running) == "waited"
    with pytest.raises(exceptions.ActorDiedError, match="exit_actor"):
        got(leaves)
