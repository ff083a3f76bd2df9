"""The table: *when* it goes wrong × *how*. One row, one outcome, one fragment of its message.

The rows of a column that cannot differ are not repeated: a method of a threaded or async actor runs where its lane
says, so `method` is there for all three; what is pickled and unpickled is the same code in each.
"""

from __future__ import annotations

import re
import signal
import threading

import pytest

import jactors
from jactors.testing import OnPickle, OnUnpickle, misbehave
from tests.faults.witness import KINDS, Sync, Witness, children_gone, note, until

E = jactors.exceptions
TIMEOUT = 30

#: The part of a certificate that says how it ended.
DIED = {
    "exit": "exit code 3",
    "os._exit": "exit code 3",
    "SIGKILL": r"killed by SIGKILL",
    "segfault": r"killed by SIGSEGV \(a segfault in native code\)",
}
ENDS = tuple(DIED)


def got(ref, timeout=TIMEOUT):
    return jactors.get(ref, timeout=timeout)


def lives(book, actor, incarnation=1):
    """It answers, as this incarnation; calls that a restart rejects are tried again."""
    while True:
        try:
            answer = got(book.submit(actor, "work"))
        except E.ActorUnavailableError:
            continue
        assert answer[1] == incarnation
        return


def is_dead(book, actor, match=None):
    with pytest.raises(E.ActorDiedError, match=match):
        got(book.submit(actor, "work"))


def ended_by(book, actor, ref, how, restarts):
    """The actor has ended under `ref`, and has come back where it may."""
    if restarts:
        with pytest.raises(E.ActorUnavailableError, match=f"(?s){DIED[how]}.*restarts used: 1 of 1.*may or may not"):
            got(ref)
        lives(book, actor, incarnation=2)
    else:
        with pytest.raises(E.ActorDiedError, match=DIED[how]) as caught:
            got(ref)
        assert not isinstance(caught.value, E.ActorStartError)
        is_dead(book, actor, DIED[how])


@pytest.fixture
def actor(book):
    return Sync.remote(book.ledger)


restartable = pytest.mark.parametrize("restarts", [0, 1], ids=["once", "restartable"])


# ---------------------------------------------------------------- pickling the arguments: in the caller, before all


def test_pickling_arguments_raise(book, actor):
    with pytest.raises(E.SerializationError, match=r"(?s)argument.*work.*misbehaved, as it was told"):
        book.submit(actor, "work", OnPickle("raise"))
    lives(book, actor)
    assert len(book.runs()) == 1


def test_pickling_arguments_exit(book, actor):
    with pytest.raises(SystemExit):
        book.submit(actor, "work", OnPickle("exit"))
    lives(book, actor)


def test_pickling_arguments_hang_is_ended_by_ctrl_c(book, actor, tmp_path):
    sign = tmp_path / "sign"
    interrupt_when(sign)
    with pytest.raises(KeyboardInterrupt):
        book.submit(actor, "work", OnPickle("hang", sign))
    lives(book, actor)
    assert len(book.runs()) == 1


def interrupt_when(sign):
    def run():
        until(sign.exists)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=run, daemon=True).start()


# ---------------------------------------------------------------- unpickling them: in the actor, before the method


def test_unpickling_arguments_raise(book, actor):
    ref = book.submit(actor, "work", OnUnpickle("raise"))
    with pytest.raises(E.TaskError, match="misbehaved, as it was told"):
        got(ref)
    lives(book, actor)


@restartable
@pytest.mark.parametrize("how", ENDS)
def test_unpickling_arguments(book, how, restarts):
    actor = Sync.options(max_restarts=restarts).remote(book.ledger)
    ended_by(book, actor, book.submit(actor, "work", OnUnpickle(how)), how, restarts)


@pytest.mark.parametrize("kind", KINDS)
def test_unpickling_arguments_hang_is_ended_by_an_interrupt(book, kind, tmp_path):
    actor = KINDS[kind].remote(book.ledger)
    hangs_until_cancelled(book, actor, book.submit(actor, "work", OnUnpickle("hang", tmp_path / "sign")), tmp_path)


def hangs_until_cancelled(book, actor, ref, tmp_path):
    until((tmp_path / "sign").exists)
    with pytest.raises(E.GetTimeoutError, match="still pending"):
        got(ref, timeout=0.01)
    jactors.cancel(ref)
    with pytest.raises(E.TaskCancelledError):
        got(ref)
    lives(book, actor)


# ---------------------------------------------------------------- __init__


def test_init_raise(book):
    actor = Sync.options(max_restarts=-1).remote(book.ledger, "raise")
    for _ in range(2):
        with pytest.raises(
            E.ActorStartError, match=r"(?s)did not start.*its __init__ raised:.*misbehaved, as it was told"
        ):
            got(book.submit(actor, "work"))


@restartable
@pytest.mark.parametrize("how", ENDS)
def test_init(book, how, restarts):
    actor = Sync.options(max_restarts=restarts).remote(book.ledger, how)
    is_dead(book, actor, DIED[how] + (f"(?s:.*)restarts used: {restarts} of {restarts}" if restarts else ""))


@pytest.mark.parametrize("how", ["hang", "hang in C"])
def test_init_hang(book, how, tmp_path):
    actor = Sync.options(max_restarts=-1, start_timeout=0.5).remote(book.ledger, how, tmp_path / "sign")
    ref = book.submit(actor, "work")
    with pytest.raises(E.ActorStartError, match=r"did not start within start_timeout=0\.5 seconds, and was killed"):
        got(ref)


# ---------------------------------------------------------------- the method


@pytest.mark.parametrize("kind", KINDS)
def test_method_raise(book, kind):
    actor = KINDS[kind].remote(book.ledger)
    with pytest.raises(E.TaskError, match=r"(?s)Witness.misbehave raised in <.*misbehaved, as it was told"):
        got(book.submit(actor, "misbehave", "raise"))
    lives(book, actor)


@restartable
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_method(book, kind, how, restarts):
    actor = KINDS[kind].options(max_restarts=restarts).remote(book.ledger)
    ended_by(book, actor, book.submit(actor, "misbehave", how), how, restarts)


@pytest.mark.parametrize(("kind", "method"), [*((kind, "misbehave") for kind in KINDS), ("async", "block")])
def test_method_hang_is_ended_by_an_interrupt(book, kind, method, tmp_path):
    actor = KINDS[kind].remote(book.ledger)
    hangs_until_cancelled(book, actor, book.submit(actor, method, "hang", tmp_path / "sign"), tmp_path)


@pytest.mark.parametrize("method", ["misbehave", "block"])
def test_method_hang_of_an_async_actor_is_ended_by_interrupt_too(book, method, tmp_path):
    actor = KINDS["async"].remote(book.ledger)
    ref = book.submit(actor, method, "hang", tmp_path / "sign")
    until((tmp_path / "sign").exists)
    jactors.interrupt(actor)
    with pytest.raises(E.TaskCancelledError, match="was interrupted in"):
        got(ref)
    lives(book, actor)


@restartable
@pytest.mark.parametrize("kind", KINDS)
def test_method_hang_in_c_is_ended_by_a_kill(book, kind, restarts, tmp_path):
    actor = KINDS[kind].options(max_restarts=restarts).remote(book.ledger)
    ref = book.submit(actor, "misbehave", "hang in C", tmp_path / "sign")
    until((tmp_path / "sign").exists)
    with pytest.raises(E.GetTimeoutError):
        got(ref, timeout=0.01)
    jactors.kill(actor, no_restart=not restarts)
    if restarts:
        with pytest.raises(E.ActorUnavailableError, match=r"killed by `jactors.kill\(no_restart=False\)`"):
            got(ref)
        lives(book, actor, incarnation=2)
    else:
        with pytest.raises(E.ActorDiedError, match=r"killed by `jactors.kill`"):
            got(ref)


# ---------------------------------------------------------------- pickling the result: in the actor, after the method


def test_pickling_the_result_raise(book, actor):
    ref = book.submit(actor, "give", "pickle", "raise", opaque=True)
    with pytest.raises(E.SerializationError, match=r"(?s)the result of Witness.give.*misbehaved, as it was told"):
        got(ref)
    lives(book, actor)


@restartable
@pytest.mark.parametrize("how", ENDS)
def test_pickling_the_result(book, how, restarts):
    actor = Sync.options(max_restarts=restarts).remote(book.ledger)
    ended_by(book, actor, book.submit(actor, "give", "pickle", how, opaque=True), how, restarts)


@pytest.mark.parametrize("kind", KINDS)
def test_pickling_the_result_hang_is_ended_by_an_interrupt(book, kind, tmp_path):
    actor = KINDS[kind].remote(book.ledger)
    ref = book.submit(actor, "give", "pickle", "hang", tmp_path / "sign", opaque=True)
    hangs_until_cancelled(book, actor, ref, tmp_path)


# ---------------------------------------------------------------- unpickling it: in the caller's get


def test_unpickling_the_result_raise(book, actor):
    ref = book.submit(actor, "give", "unpickle", "raise", opaque=True)
    for _ in range(2):
        with pytest.raises(Exception, match="misbehaved, as it was told"):
            got(ref)
    lives(book, actor)


def test_unpickling_the_result_exit(book, actor):
    ref = book.submit(actor, "give", "unpickle", "exit", opaque=True)
    with pytest.raises(SystemExit):
        got(ref)
    lives(book, actor)


def test_unpickling_the_result_hang_is_ended_by_ctrl_c(book, actor, tmp_path):
    ref = book.submit(actor, "give", "unpickle", "hang", tmp_path / "sign", opaque=True)
    interrupt_when(tmp_path / "sign")
    with pytest.raises(KeyboardInterrupt):
        got(ref)
    lives(book, actor)


def test_unpickling_a_result_never_stops_the_io_thread(book, actor):
    """A future's value is unpickled as soon as it arrives, whatever that does: later ones arrive all the same."""
    bad = book.submit(actor, "give", "unpickle", "exit", opaque=True)
    future = bad.future()
    with pytest.raises(SystemExit):
        future.result(TIMEOUT)
    lives(book, actor)


@pytest.mark.parametrize("how", ["os._exit", "SIGKILL", "segfault"])
@pytest.mark.parametrize("when", ["OnPickle", "OnUnpickle"])
def test_pickling_and_unpickling_in_the_caller_that_end_it(start, when, how):
    """The driver goes, and all it had with it."""
    driver = start(f"""
        import jactors, os
        from jactors.testing import {when}
        jactors.init(INIT, num_cpus=2)

        @jactors.remote
        class A:
            def pid(self): return os.getpid()
            def give(self, how): return OnUnpickle(how)
            def take(self, thing): pass

        a = A.remote()
        print(a.pid(), flush=True)
        a.{"give" if when == "OnUnpickle" else "take"}({f"'{how}'" if when == "OnUnpickle" else f"OnPickle('{how}')"})
    """)
    pid = int(driver.stdout.readline())
    assert driver.wait(TIMEOUT) == {"os._exit": 3, "SIGKILL": -signal.SIGKILL, "segfault": -signal.SIGSEGV}[how]
    assert children_gone(pid)


# ---------------------------------------------------------------- idle


@pytest.mark.parametrize("how", ["raise", "exit"])
@pytest.mark.parametrize("kind", KINDS)
def test_idle_what_a_thread_raises_ends_nothing(book, kind, how, tmp_path):
    actor = KINDS[kind].options(max_restarts=1).remote(book.ledger)
    got(book.submit(actor, "misbehave_at_rest", how, str(tmp_path / "sign")))
    (tmp_path / "sign").touch()
    until((tmp_path / "sign.done").exists)
    lives(book, actor)


@restartable
@pytest.mark.parametrize("how", ["os._exit", "SIGKILL", "segfault"])
def test_idle(book, how, restarts, tmp_path):
    actor = Sync.options(max_restarts=restarts).remote(book.ledger)
    pid = got(actor.pid.remote())
    got(book.submit(actor, "misbehave_at_rest", how, str(tmp_path / "sign")))
    (tmp_path / "sign").touch()
    assert children_gone(pid)
    if restarts:
        lives(book, actor, incarnation=2)
    else:
        while True:  # a call that was under way when it died has died of the same
            with pytest.raises(E.ActorDiedError, match=DIED[how]):
                got(book.submit(actor, "work"))
            break


def test_idle_hang_in_c_of_a_thread_is_ended_by_a_kill(book, tmp_path):
    """A thread of the user's holds the GIL: the actor answers nobody."""
    actor = Sync.remote(book.ledger)
    got(book.submit(actor, "misbehave_at_rest", "hang in C", str(tmp_path / "sign")))
    (tmp_path / "sign").touch()
    until((tmp_path / "sign.done").exists)
    ref = book.submit(actor, "work")
    with pytest.raises(E.GetTimeoutError):
        got(ref, timeout=0.1)
    jactors.kill(actor)
    with pytest.raises(E.ActorDiedError, match=r"killed by `jactors.kill`"):
        got(ref)


# ---------------------------------------------------------------- during a restart


def test_during_a_restart_raise(book):
    actor = Sync.options(max_restarts=-1).remote(book.ledger, "raise", None, True)
    lives(book, actor)
    with pytest.raises(E.ActorUnavailableError):
        got(book.submit(actor, "misbehave", "SIGKILL"))
    waits = book.submit(actor, "work", retries=1)
    with pytest.raises(E.ActorStartError, match="misbehaved, as it was told"):
        got(waits)


@pytest.mark.parametrize("how", ENDS)
def test_during_a_restart(book, how):
    actor = Sync.options(max_restarts=3).remote(book.ledger, how, None, True)
    lives(book, actor)
    with pytest.raises(E.ActorUnavailableError):
        got(book.submit(actor, "misbehave", "SIGKILL"))
    waits = book.submit(actor, "work", retries=1)
    with pytest.raises(E.ActorDiedError, match=f"(?s){DIED[how]}.*restarts used: 3 of 3"):
        got(waits)


@pytest.mark.parametrize("how", ["hang", "hang in C"])
def test_during_a_restart_hang(book, how, tmp_path):
    actor = Sync.options(max_restarts=-1, start_timeout=1).remote(book.ledger, how, tmp_path / "sign", True)
    lives(book, actor)
    with pytest.raises(E.ActorUnavailableError):
        got(book.submit(actor, "misbehave", "SIGKILL"))
    waits = book.submit(actor, "work", retries=1)
    until((tmp_path / "sign").exists)
    with pytest.raises(E.GetTimeoutError):
        got(waits, timeout=0.01)
    with pytest.raises(E.ActorStartError, match="did not start within start_timeout=1 seconds"):
        got(waits)


def test_during_a_restart_it_can_be_killed(book, tmp_path):
    actor = Sync.options(max_restarts=-1).remote(book.ledger, "hang in C", tmp_path / "sign", True)
    lives(book, actor)
    with pytest.raises(E.ActorUnavailableError):
        got(book.submit(actor, "misbehave", "SIGKILL"))
    waits = book.submit(actor, "work", retries=1)
    until((tmp_path / "sign").exists)
    jactors.kill(actor)
    with pytest.raises(E.ActorDiedError, match=re.escape("killed by `jactors.kill`")):
        got(waits)


# ---------------------------------------------------------------- during a checkpoint


class Saved(Witness):
    """Counts, and misbehaves while it is saved, once it was told to."""

    n = 0
    trap = None

    def add(self, call):
        self.n += 1
        return note(self.ledger, call)

    def set_trap(self, call, how, sign=None):
        self.trap = (how, sign)
        return note(self.ledger, call)

    def count(self):
        return self.n

    def __getstate__(self):
        if self.trap is not None:
            misbehave(*self.trap)
        return {name: value for name, value in self.__dict__.items() if name != "trap"}


@pytest.fixture
def saved(book):
    """An actor that has counted to 2 and saved that, and counted on to 3."""
    actor = jactors.remote(Saved).options(max_restarts=2, checkpoint="on_demand").remote(book.ledger)
    got([book.submit(actor, "add") for _ in range(2)])
    jactors.checkpoint(actor)
    got(book.submit(actor, "add"))
    return actor


def count_of(book, actor):
    lives(book, actor, incarnation=2)
    return got(actor.count.remote())


def test_during_a_checkpoint_raise(book, saved):
    got(book.submit(saved, "set_trap", "raise"))
    with pytest.raises(E.CheckpointError, match=r"misbehaved, as it was told"):
        jactors.checkpoint(saved)
    lives(book, saved)
    assert got(saved.count.remote()) == 3
    jactors.kill(saved, no_restart=False)
    assert count_of(book, saved) == 2  # what was saved before is untouched


@pytest.mark.parametrize("how", ENDS)
def test_during_a_checkpoint(book, saved, how):
    got(book.submit(saved, "set_trap", how))
    with pytest.raises(E.ActorUnavailableError, match=DIED[how]):
        jactors.checkpoint(saved)
    assert count_of(book, saved) == 2


@pytest.mark.parametrize("how", ["hang", "hang in C"])
def test_during_a_checkpoint_hang_is_ended_by_a_kill(book, saved, how, tmp_path):
    got(book.submit(saved, "set_trap", how, str(tmp_path / "sign")))
    with pytest.raises(E.GetTimeoutError):
        jactors.checkpoint(saved, timeout=0.3)
    until((tmp_path / "sign").exists)
    jactors.kill(saved, no_restart=False)
    assert count_of(book, saved) == 2


def test_during_a_checkpoint_between_calls_what_was_answered_is_there_or_the_call_fails(book):
    """Saved after every call, killed while it is: an answer that was given is never taken back."""
    actor = jactors.remote(Saved).options(max_restarts=1, checkpoint=1).remote(book.ledger)
    got([book.submit(actor, "add") for _ in range(3)])
    with pytest.raises(E.ActorUnavailableError):
        got(book.submit(actor, "set_trap", "SIGKILL"))
    assert count_of(book, actor) == 3
