"""Deaths: of an `__init__` that fails, a method that exits, a signal, a session (sections 1 and 4)."""

from __future__ import annotations

import os
import pickle
import signal
import time

import pytest

import jactors
from tests.live.conftest import gone, until_exists
from tests.live.risky import TIMEOUT, Custom, Risky, error_of

exceptions = jactors.exceptions


def running(self, path):
    """A method that says when it runs, and goes on until it is stopped."""
    open(path, "w").close()
    while True:
        time.sleep(0.002)


# ---------------------------------------------------------------- __init__ fails


def test_every_call_gets_the_error_of_init(session):
    actor = Risky.remote("raise")
    early = actor.ok.remote()
    for ref in (early, actor.ok.remote(), actor.pid.remote()):
        error = error_of(ref, exceptions.ActorStartError)
        assert isinstance(error, exceptions.ActorDiedError) and isinstance(error.cause, KeyError)
        assert 'broken["missing"]  # the line that raises' in str(error) and "KeyError: 'missing'" in str(error)
        assert not isinstance(error, KeyError) and error.actor_init_failed
    with pytest.raises(exceptions.ActorStartError):
        actor.ok()


def test_init_raises_a_custom_exception(session):
    error = error_of(Risky.remote("custom").ok.remote(), exceptions.ActorStartError)
    assert isinstance(error.cause, Custom) and error.cause.why == "in init"


def test_init_exits(session):
    error = error_of(Risky.remote("exit").ok.remote(), exceptions.ActorDiedError)
    assert error.exitcode == 3
    error = error_of(Risky.remote("sys.exit").ok.remote(), exceptions.ActorDiedError)
    assert error.exitcode == 1 and "cannot go on" in str(error)


def test_a_name_is_free_when_init_has_failed(session):
    actor = Risky.options(name="fails").remote("raise")
    error_of(actor.ok.remote())
    assert Risky.options(name="fails").remote().ok() == 1


# ---------------------------------------------------------------- deaths


def test_exit_code(session):
    actor = Risky.remote()
    queued = [actor.die.remote("exit"), actor.ok.remote()]
    for ref in queued:
        error = error_of(ref, exceptions.ActorDiedError)
        assert error.error_msg == str(error) and not error.preempted and not error.actor_init_failed
        assert error.exitcode == 3 and error.signal is None and error.pid > 0
        assert error.class_name == "Risky" and error.actor_id == actor._actor_id.hex()
        assert "exit code 3" in str(error) and "last words" in error.last_output


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGABRT"])
def test_signals(session, name):
    actor = Risky.options(name=f"by {name}").remote()
    error = error_of(actor.die.remote(getattr(signal, name)), exceptions.ActorDiedError)
    assert error.signal == name and error.exitcode is None and error.name == f"by {name}"
    assert name in str(error) and "last words" in str(error) and "last words" in error.last_output
    error = error_of(actor.ok.remote(), exceptions.ActorDiedError)
    assert error.signal == name


def test_killed_from_outside(session):
    actor = Risky.remote()
    pid = actor.pid()
    ref = actor.wait_for.remote("/nonexistent/gate")
    os.kill(pid, signal.SIGKILL)
    assert error_of(ref, exceptions.ActorDiedError).signal == "SIGKILL"


def test_sigterm_ends_an_idle_one(session):
    actor = Risky.remote()
    pid = actor.pid()
    os.kill(pid, signal.SIGTERM)
    assert gone(pid, timeout=5) == []
    error = error_of(actor.ok.remote(), exceptions.ActorDiedError)
    assert error.exitcode == 143 or error.signal == "SIGTERM"


def test_sigterm_ends_a_busy_one(session, tmp_path):
    actor = Risky.remote()
    pid = actor.pid()
    ref = actor.__ray_call__.remote(running, str(tmp_path / "runs"))
    until_exists(tmp_path / "runs")
    os.kill(pid, signal.SIGTERM)
    assert gone(pid, timeout=5) == []
    error = error_of(ref, exceptions.ActorDiedError)
    assert error.exitcode == 143 or error.signal == "SIGTERM"


def test_results_before_a_death_come_in_order_and_every_call_ends(session):
    actor = Risky.remote()
    refs = [actor.ok.remote() for _ in range(50)] + [actor.die.remote("exit")]
    results = []
    for ref in refs[:-1]:
        try:
            results.append(jactors.get(ref, timeout=TIMEOUT))
        except exceptions.ActorDiedError:
            break
    # Those that have a result come first. os._exit may take along the last replies, which zmq has not written out yet.
    assert results == list(range(1, len(results) + 1))
    for ref in refs[len(results) :]:
        error_of(ref, exceptions.ActorDiedError)


@pytest.mark.parametrize(("code", "exitcode"), [(0, 0), (None, 0), (5, 5), ("a reason", 1)])
def test_sys_exit_in_a_method(session, code, exitcode):
    actor = Risky.remote()
    refs = [actor.ok.remote(), actor.leave.remote(code), actor.ok.remote()]
    assert jactors.get(refs[0], timeout=TIMEOUT) == 1
    for ref in refs[1:]:
        error = error_of(ref, exceptions.ActorDiedError)
        assert error.exitcode == exitcode and f"exit code {exitcode}" in str(error)
    if code == "a reason":
        assert "a reason" in error.last_output


@jactors.remote
class Leaves:
    def __init__(self, now=False):
        if now:
            jactors.actor.exit_actor()

    def catch(self):
        try:
            jactors.actor.exit_actor()
        except SystemExit:
            return "went on"


def test_exit_actor_in_init(session):
    assert "exit_actor" in str(error_of(Leaves.remote(True).catch.remote(), exceptions.ActorDiedError))


def test_exit_actor_cannot_be_caught(session):
    actor = Leaves.remote()
    pid = jactors.get(actor.__ray_call__.remote(lambda self: __import__("os").getpid()))
    actor.catch.remote()
    assert gone(pid, timeout=5) == []
    assert "exit_actor" in str(error_of(actor.catch.remote(), exceptions.ActorDiedError))


def test_how_it_ends_runs_what_it_should(session, tmp_path):
    """__ray_shutdown__, __del__, atexit, in this order: however it ends in good order, by SIGTERM too; not by kill."""

    @jactors.remote
    class Hooks:
        def __init__(self, path):
            import atexit

            self.path = path
            atexit.register(self.write, path, "atexit")

        @staticmethod
        def write(path, text):
            with open(path, "a") as file:
                file.write(text + "\n")

        def __ray_shutdown__(self):
            self.write(self.path, "shutdown")
            raise ValueError("this is swallowed")

        def __del__(self):
            self.write(self.path, "del")

        def boom(self):
            raise ValueError("the frames of a failure hold the object")

        def end(self, how):
            if how == "exit_actor":
                jactors.actor.exit_actor()
            raise SystemExit(1)

        def pid(self):
            return os.getpid()

    for how in ("exit_actor", "sys.exit", "handle", "terminate", "SIGTERM", "kill"):
        path = tmp_path / how
        actor = Hooks.remote(str(path))
        pid = actor.pid()
        error_of(actor.boom.remote(), ValueError)
        if how == "kill":
            jactors.kill(actor)
        elif how == "terminate":
            actor.__ray_terminate__.remote()
        elif how == "SIGTERM":
            os.kill(pid, signal.SIGTERM)
        elif how != "handle":
            actor.end.remote(how)
        if how == "handle":
            del actor
        assert gone(pid) == []
        written = path.read_text().split() if path.exists() else []
        assert written == ([] if how == "kill" else ["shutdown", "del", "atexit"]), how


def test_kill_of_a_pending_actor(session):
    holder = Risky.options(num_gpus=4).remote()
    holder.ok()
    waits, again = Risky.options(num_gpus=1).remote(), Risky.options(num_gpus=1, max_restarts=1).remote()
    ref, later = waits.ok.remote(), again.ok.remote()
    jactors.kill(again, no_restart=False)
    jactors.kill(waits)
    assert "never ran" in str(error_of(ref, exceptions.ActorDiedError))
    assert "never ran" in str(error_of(waits.ok.remote(), exceptions.ActorDiedError))
    jactors.kill(holder)
    assert jactors.get([later, again.ok.remote()], timeout=TIMEOUT)  # it has begun after all
    jactors.kill(again)


def test_kill_during_the_start(session):
    for _ in range(5):
        actor = Risky.remote()
        ref = actor.ok.remote()
        jactors.kill(actor)
        error_of(ref, exceptions.ActorDiedError)


def test_one_death_leaves_the_others_alone(session, risky):
    actors = [Risky.remote() for _ in range(3)]
    refs = [actor.ok.remote() for actor in actors]
    actors[1].die.remote("exit")
    assert jactors.get(refs, timeout=TIMEOUT) == [1, 1, 1]
    assert actors[0].ok() == actors[2].ok() == 2


def test_repr_of_what_has_died(session):
    actor = Risky.remote()
    jactors.kill(actor)
    error = error_of(actor.ok.remote())
    assert repr(actor) and repr(error) and str(pickle.loads(pickle.dumps(error))) == str(error)
    assert pickle.loads(pickle.dumps(error)).actor_id == error.actor_id


# ---------------------------------------------------------------- after the session


def test_handles_after_shutdown_say_so(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class A:
            def one(self): return 1
        a = A.remote()
        assert a.one() == 1
        pending = a.one.remote()
        done = a.one.remote(); jactors.get(done)
        jactors.shutdown(); jactors.shutdown()
        assert not jactors.is_initialized()
        print(jactors.get(done), repr(a)[:8])
        for call in (lambda: a.one(), lambda: jactors.get(a.one.remote()), lambda: A.remote().one()):
            try: print(call())
            except jactors.exceptions.ActorDiedError as error: print("shut" in str(error), error.class_name)
        # The last one started a session again, without being asked to; an old handle stays dead in it.
        try: a.one()
        except jactors.exceptions.ActorDiedError as error: print("shut" in str(error))
        print(jactors.is_initialized())
        """
    )
    assert (code, out.splitlines()) == (0, ["1 Actor(A,", "True A", "True A", "1", "True", "True"]), err


def test_no_session_without_being_asked(run):
    code, out, err = run(
        """
        import os
        os.environ["JACTORS_ENABLE_AUTO_CONNECT"] = "0"
        import jactors
        @jactors.remote
        class A: pass
        for call in (A.remote, lambda: jactors.put(1), lambda: jactors.get_actor("a")):
            try: call()
            except jactors.exceptions.RayError as error: print("not been started" in str(error))
        jactors.init(INIT)
        print(A.remote().__ray_ready__())
        """
    )
    assert (code, out.split()) == (0, ["True"] * 4), err
