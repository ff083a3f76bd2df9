"""The faults 1 to 28, one test or more each: ``pytest -k test_03`` runs row 3.

Every row is held against the oracle and the census. Where a row's home is another module, or its large form is
elsewhere, `ELSEWHERE` says so, and tests/unit/test_fault_rows.py sees to it that what is named there exists.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import threading
import time

import pytest

import jactors
from jactors.testing import Unpicklable
from tests.faults.test_table import got, is_dead, lives
from tests.faults.witness import AsyncWitness, Sync, Threaded, Witness, children_gone, until

E = jactors.exceptions
Async = jactors.remote(AsyncWitness)


#: The row's home, or its other tests, where that is not here.
ELSEWHERE = {
    3: ["tests/live/test_supervision.py::test_a_stopped_actor_is_no_dead_one"],
    4: ["tests/live/test_supervision.py::test_a_hung_actor_is_killed_with_its_stack_and_restarts"],
    5: ["tests/live/test_supervision.py::test_an_oom_kill_is_called_by_its_name"],
    6: [
        "tests/live/test_end.py::test_what_an_actor_started_dies_with_it",
        "tests/live/test_doors.py::test_a_forked_child_cannot_answer_as_the_actor",
    ],
    7: ["tests/live/test_end.py::test_kill_9_of_the_driver_leaves_nothing"],
    8: ["tests/live/test_end.py::test_however_a_driver_ends_nothing_is_left"],
    9: [
        "tests/live/test_detached.py::test_kill_9_of_the_driver",
        "tests/live/test_detached.py::test_two_later_drivers_have_their_own_replies_and_their_own_output",
    ],
    10: ["tests/live/test_succession.py::test_kill_9_of_the_supervisor"],
    12: ["tests/live/test_supervision.py::test_who_crashes_over_and_over_dies_with_the_first_and_the_last_cause"],
    14: [
        "tests/load/shortages.py::shared_memory_full",
        "tests/live/test_large.py::test_where_dev_shm_is_full_values_travel_in_messages",
    ],
    15: ["tests/load/shortages.py::disk_full", "tests/load/shortages.py::disk_too_small_or_read_only"],
    16: ["tests/load/shortages.py::descriptors"],
    17: ["tests/load/scenarios.py::killed_in_the_middle"],
    18: ["tests/load/scenarios.py::large_values"],
    19: ["tests/load/shortages.py::flood", "tests/load/shortages.py::slow_consumer"],
    20: ["tests/live/test_failures.py::test_unpicklable_argument_names_the_path"],
    21: ["tests/live/test_failures.py::test_chains_and_groups"],
    22: ["tests/live/test_cancel.py::test_two_hundred_at_random_moments_each_call_ends_once"],
    23: ["tests/live/test_fuzz.py", "tests/fuzz/__main__.py"],
    24: ["tests/live/test_security.py::test_a_swapped_pickle_stream_is_refused_before_it_is_loaded"],
    25: ["tests/live/test_private_files.py::test_another_user_can_neither_read_nor_list_nor_connect"],
    26: ["tests/live/test_detached.py::test_of_many_who_want_a_name_at_once_one_makes_the_actor"],
    28: ["tests/faults/test_soak.py::test_28_a_few_seconds_of_chaos"],
}


def pid_of(actor):
    return got(actor.pid.remote())


def told_of(actor):
    """What the supervisor last said of an actor."""
    return jactors.session.current().links.told.get(actor._home.actor_id, {})


# ---------------------------------------------------------------- 1: SIGKILL mid-call, at random times


@pytest.mark.parametrize(
    ("restarts", "retries"), [(0, 0), (-1, 0), (-1, -1), (-1, 1)], ids=["once", "restarts", "retries", "one retry"]
)
@pytest.mark.parametrize("make", [Sync, Threaded, Async], ids=["sync", "threaded", "async"])
def test_01_sigkill_at_random_moments(book, make, restarts, retries):
    randomly = random.Random(f"{restarts} {retries}")
    actor = make.options(max_restarts=restarts, max_task_retries=retries).remote(book.ledger)
    for _ in range(1 if restarts == 0 else 4):
        lives_somehow(book, actor)
        pid, lines = pid_of(actor), len(book.runs())
        refs = [book.submit(actor, "spin", 0.001) for _ in range(30)]
        many = lines + randomly.randrange(25)
        until(lambda many=many: len(book.runs()) >= many)
        os.kill(pid, signal.SIGKILL)
        for ref in refs:
            try:
                got(ref)
            except E.ActorError as error:
                assert retries >= 0 and ("SIGKILL" in str(error) or "restart" in str(error))  # noqa: PT017
    book.judge()


def lives_somehow(book, actor):
    while True:
        try:
            return got(book.submit(actor, "work"))
        except E.ActorUnavailableError:
            continue


def test_01_what_waits_in_the_driver_is_not_lost_with_the_process(book, tmp_path):
    actor = Sync.options(max_restarts=1, max_task_retries=1).remote(book.ledger)
    pid = pid_of(actor)
    first = book.submit(actor, "hold", str(tmp_path / "ready"), str(tmp_path / "gate"), retries=0)
    rest = [book.submit(actor, "work") for _ in range(500)]
    until((tmp_path / "ready").exists)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(E.ActorUnavailableError, match=r"killed by SIGKILL"):
        got(first)
    assert [answer[1] for answer in got(rest)] == [2] * 500


# ---------------------------------------------------------------- 2: the ways to go, and what it said last


@pytest.mark.parametrize("how", ["exit", "os._exit", "SIGKILL", "segfault"])
def test_02_the_last_lines_are_in_the_error(book, how):
    def last_words(how):
        import sys

        from jactors.testing import misbehave

        print("the last line on stdout")
        print("the last line on stderr", file=sys.stderr)
        misbehave(how)

    actor = Sync.remote(book.ledger)
    with pytest.raises(E.ActorDiedError) as caught:
        got(book.submit(actor, "apply", last_words, how, opaque=True))
    text = str(caught.value)
    assert "| the last line on stdout" in text and "| the last line on stderr" in text
    how_it_died = {"exit": "exit code 3", "os._exit": "exit code 3", "SIGKILL": "SIGKILL", "segfault": "SIGSEGV"}
    assert how_it_died[how] in text


def test_02_system_exit_with_a_text_in_init(session):
    @jactors.remote
    class Exits:
        def __init__(self):
            raise SystemExit("no licence found")

        def work(self):
            pass

    with pytest.raises(E.ActorDiedError, match=r"(?s)exit code 1.*\| no licence found"):
        got(Exits.remote().work.remote())


# ---------------------------------------------------------------- 3: stopped, and going on


@pytest.mark.parametrize("make", [Sync, Threaded, Async], ids=["sync", "threaded", "async"])
def test_03_sigstop_then_sigcont_runs_nothing_twice(book, make):
    actor = make.options(max_restarts=-1, max_task_retries=-1).remote(book.ledger)
    pid = pid_of(actor)
    refs = [book.submit(actor, "spin", 0.001) for _ in range(30)]
    until(book.runs)
    os.kill(pid, signal.SIGSTOP)
    more = book.submit(actor, "work")
    with pytest.raises(E.GetTimeoutError, match=r"still pending after 0\.2 s"):
        got(more, timeout=0.2)
    os.kill(pid, signal.SIGCONT)
    assert {answer[1] for answer in got([*refs, more])} == {1}
    lives(book, actor)
    assert len(book.runs()) == 32


def test_03_sigstop_and_kill(book):
    actor = Sync.options(max_restarts=-1).remote(book.ledger)
    pid = pid_of(actor)
    os.kill(pid, signal.SIGSTOP)
    ref = book.submit(actor, "work")
    jactors.kill(actor)
    with pytest.raises(E.ActorDiedError, match=r"killed by `jactors.kill`"):
        got(ref)
    assert children_gone(pid) and book.runs() == []


def test_03_sigstop_and_kill_with_a_restart(book):
    actor = Sync.options(max_restarts=-1, max_task_retries=1).remote(book.ledger)
    os.kill(pid_of(actor), signal.SIGSTOP)
    ref = book.submit(actor, "work")
    jactors.kill(actor, no_restart=False)
    assert got(ref)[1] == 2


# ---------------------------------------------------------------- 4: hung for good


@pytest.mark.parametrize("how", ["hang", "hang in C"])
def test_04_a_hung_actor_holds_up_nobody_else(book, how, tmp_path):
    hung, other = Sync.remote(book.ledger), Sync.remote(book.ledger)
    stuck = book.submit(hung, "misbehave", how, tmp_path / "sign")
    behind = [book.submit(hung, "work") for _ in range(10)]
    until((tmp_path / "sign").exists)
    assert len(got([book.submit(other, "work") for _ in range(10)])) == 10
    ready, rest = jactors.wait([stuck, *behind], timeout=0.05)
    assert ready == [] and len(rest) == 11
    jactors.interrupt(hung)
    if how == "hang":
        with pytest.raises(E.TaskCancelledError, match="was interrupted in"):
            got(stuck)
        assert len(got(behind)) == 10
    else:
        jactors.kill(hung)
        for ref in (stuck, *behind):
            with pytest.raises(E.ActorDiedError, match=r"killed by `jactors.kill`"):
                got(ref)


# ---------------------------------------------------------------- 5: out of memory


def test_05_with_a_limit_memory_error_and_it_lives(book):
    def too_much():
        resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, resource.RLIM_INFINITY))
        try:
            return len(bytearray(4 << 30))
        finally:
            resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    actor = Sync.remote(book.ledger)
    with pytest.raises(MemoryError):
        got(book.submit(actor, "apply", too_much, opaque=True))
    lives(book, actor)


# ---------------------------------------------------------------- 6: children


def test_06_fork_in_a_method_is_answered_by_the_actor_alone(book):
    actor = Sync.remote(book.ledger)
    mine = pid_of(actor)
    answered = [got(book.submit(actor, "apply", os.fork, opaque=True)) for _ in range(5)]
    assert all(pid > 0 for pid in answered) and children_gone(*answered)
    assert pid_of(actor) == mine
    lives(book, actor)


@pytest.mark.parametrize("make", [Sync, Threaded, Async], ids=["sync", "threaded", "async"])
def test_06_a_fork_that_raises_or_exits_is_none_of_the_callers_business(book, make):
    def fork(how):
        from jactors.testing import misbehave

        pid = os.fork()
        if pid == 0:
            misbehave(how)
        return pid

    actor = make.remote(book.ledger)
    for how in ("raise", "exit", "os._exit", "SIGKILL"):
        pid = got(book.submit(actor, "apply", fork, how, opaque=True))
        assert pid > 0 and children_gone(pid)
    lives(book, actor)


@pytest.mark.parametrize("end", ["kill", "SIGKILL"])
def test_06_a_pool_and_a_grandchild_of_its_own_session(book, end):
    def pool():
        import builtins
        import multiprocessing

        builtins.pool = multiprocessing.get_context("fork").Pool(2)
        pids = [process.pid for process in builtins.pool._pool]
        child = subprocess.Popen(["setsid", "sh", "-c", "sleep 1000 & echo $!; wait"], stdout=subprocess.PIPE)
        return builtins.pool.map(abs, range(-100, 0)), [*pids, child.pid, int(child.stdout.readline())]

    actor = Sync.remote(book.ledger)
    values, pids = got(book.submit(actor, "apply", pool, opaque=True))
    assert values == list(range(100, 0, -1)) and len(pids) == 4
    lives(book, actor)
    if end == "kill":
        jactors.kill(actor)
    else:
        os.kill(pid_of(actor), signal.SIGKILL)
    assert children_gone(*pids)


# ---------------------------------------------------------------- 11: create and kill


def test_11_sixty_create_kill_cycles_leave_all_flat(book):
    def cycle():
        actors = [Sync.options(name=f"cycle{i}").remote(book.ledger) for i in range(10)]
        got([book.submit(actor, "work") for actor in actors])
        for actor in actors:
            jactors.kill(actor)
        for actor in actors:
            is_dead(book, actor, r"killed by `jactors.kill`")

    def flat():
        current = jactors.session.current()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), len(current.links._links)

    cycle()
    until(lambda: not jactors.session.current().links._links)
    before = flat()
    for _ in range(5):
        cycle()
    until(lambda: flat() <= before, f"{before}, not {flat()}")


# ---------------------------------------------------------------- 12: a crash loop


def test_12_a_crash_looping_init_backs_off_and_harms_nobody(book, tmp_path):
    log = tmp_path / "births"

    class Loops(Witness):
        def __init__(self, ledger):
            super().__init__(ledger)
            with open(log, "a") as file:
                file.write("x")
            os._exit(7)

    loops = jactors.remote(Loops).options(max_restarts=-1).remote(book.ledger)
    other = Sync.remote(book.ledger)
    ref = book.submit(loops, "work")
    until(lambda: log.exists() and len(log.read_text()) >= 3)
    lives(book, other)
    jactors.kill(loops)
    with pytest.raises(E.ActorDiedError):
        got(ref)
    births = len(log.read_text())
    lives(book, other)
    assert len(log.read_text()) == births < 10


def test_12_shutdown_meanwhile(run):
    code, out, err = run(
        """
        import os, jactors
        @jactors.remote(max_restarts=-1)
        class Loops:
            def __init__(self, path):
                open(path, "a").write("x")
                os._exit(7)
            def work(self): pass
        jactors.init(INIT)
        loops = [Loops.remote(f"births{i}") for i in range(3)]
        refs = [actor.work.remote() for actor in loops]
        while not all(os.path.exists(f"births{i}") and os.path.getsize(f"births{i}") > 1 for i in range(3)): pass
        jactors.shutdown()
        for ref in refs:
            try: jactors.get(ref, timeout=10)
            except jactors.exceptions.ActorDiedError as error: print("shut down" in str(error))
        """
    )
    assert (code, out.split()) == (0, ["True"] * 3), err


# ---------------------------------------------------------------- 13: kill during the start


@pytest.mark.parametrize("how", ["kill", "kill with a restart", "SIGKILL"])
def test_13_kill_during_the_start(book, how):
    """A start takes about 60 ms: the sweep covers it, on a slow machine its beginning."""
    for step in range(15):
        actor = Sync.options(max_restarts=0, name=f"sweep{step}").remote(book.ledger)
        ref = book.submit(actor, "work")
        time.sleep(step * 0.01)  # the time is what is swept
        if how == "SIGKILL":
            pid = until(lambda actor=actor: told_of(actor).get("pid"))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        else:
            jactors.kill(actor, no_restart=how == "kill")
        try:
            assert got(ref)[1] == 1  # it was quicker
        except E.ActorDiedError as error:
            assert ("killed by SIGKILL" if how == "SIGKILL" else "killed by `jactors.kill") in str(error)  # noqa: PT017
        is_dead(book, actor)
        with pytest.raises(ValueError):
            jactors.get_actor(f"sweep{step}")


# ---------------------------------------------------------------- 17: many queued calls, and a kill


@pytest.mark.parametrize(("make", "lanes"), [(Sync, 1), (Threaded, 4), (Async, 1)], ids=["sync", "threaded", "async"])
def test_17_five_thousand_queued_calls_and_a_kill_in_the_middle(book, make, lanes, tmp_path):
    actor = make.remote(book.ledger)
    before = [book.submit(actor, "work") for _ in range(1000)]
    hung = [book.submit(actor, "misbehave", "hang", tmp_path / f"sign{i}") for i in range(lanes)]
    behind = [book.submit(actor, "work") for _ in range(4000)]
    until(lambda: all((tmp_path / f"sign{i}").exists() for i in range(lanes)))
    got(before)
    jactors.kill(actor)
    assert {type(error_of(ref)) for ref in hung + behind} == {E.ActorDiedError}
    assert actor._home.link.pending() == 0 and len(book.runs()) == 1000 + lanes


def error_of(ref):
    try:
        got(ref)
    except Exception as error:
        return error
    return None


# ---------------------------------------------------------------- 19: prints without end, a driver that does not read


def test_19_a_stopped_driver_gets_its_replies_when_it_goes_on(start, tmp_path):
    driver = start(
        """
        import os, sys, jactors
        from tests.faults.witness import Book, Sync
        jactors.init(INIT)
        book = Book("ledger")
        actor = Sync.remote(book.ledger)
        jactors.get(actor.pid.remote())
        def talk(n):
            for i in range(n): print("x" * 80)
            return n
        refs = [book.submit(actor, "apply", talk, 2000, opaque=True) for _ in range(20)]
        print("submitted", file=sys.stderr, flush=True)
        print(sum(jactors.get(refs, timeout=60)), file=sys.stderr)
        book.judge()
        """,
        stdout=subprocess.DEVNULL,
    )
    assert driver.stderr.readline() == "submitted\n"
    runs = lambda: (tmp_path / "ledger").exists() and (tmp_path / "ledger").read_text().count("\n")
    until(runs)  # what was submitted is on its way, and not in the driver still
    os.kill(driver.pid, signal.SIGSTOP)
    until(lambda: runs() >= 2)
    os.kill(driver.pid, signal.SIGCONT)
    _, err = driver.communicate(timeout=60)
    assert driver.returncode == 0 and err.splitlines()[-1] == "40000", err


# ---------------------------------------------------------------- 20: what cannot be pickled


def test_20_unpicklable_argument_and_result_are_named(book):
    actor = Sync.remote(book.ledger)
    with pytest.raises(E.SerializationError, match=r"(?s)argument.*work.*\.lock"):
        book.submit(actor, "work", Unpicklable())
    with pytest.raises(E.SerializationError, match=r"(?s)the result of Witness.apply.*\.lock"):
        got(book.submit(actor, "apply", Unpicklable, opaque=True))
    lives(book, actor)


# ---------------------------------------------------------------- 21: exceptions


def test_21_exceptions_that_are_hard_to_carry(book):
    def group():
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])

    def deep(n=600):
        return deep(n - 1) if n else 1 / 0

    def local():
        class OddError(Exception):
            def __init__(self, a, b):
                super().__init__(a)
                self.b = b

            def __str__(self):
                raise RuntimeError("not even a text")

        raise OddError(1, 2)

    actor = Sync.remote(book.ledger)
    with pytest.raises(ExceptionGroup) as caught:
        got(book.submit(actor, "apply", group, opaque=True))
    assert [type(each) for each in caught.value.exceptions] == [ValueError, KeyError]
    with pytest.raises(ZeroDivisionError, match="more frames"):
        got(book.submit(actor, "apply", deep, opaque=True))
    with pytest.raises(E.TaskError, match="OddError"):
        got(book.submit(actor, "apply", local, opaque=True))
    lives(book, actor)


# ---------------------------------------------------------------- 22: interrupts at random moments


@pytest.mark.parametrize(
    ("make", "many"), [(Sync, 500), (Threaded, 250), (Async, 250)], ids=["sync", "threads", "async"]
)
def test_22_interrupts_and_cancels_at_random_moments(book, make, many):
    """A thousand in all: each call ends once, in a value or as cancelled, and one that nobody meant is untouched."""
    actor, randomly = make.remote(book.ledger), random.Random(22)
    refs = [book.submit(actor, "spin", 0.0005) for _ in range(many)]
    spared = set(range(0, many, 3))
    meant = set()
    for step in range(many):
        if make is Sync and step % 2:
            jactors.interrupt(actor)
        else:
            victim = randomly.randrange(many)
            if victim not in spared or make is Sync:
                meant.add(victim)
                jactors.cancel(refs[victim])
    for i, ref in enumerate(refs):
        error = error_of(ref)
        assert error is None or isinstance(error, E.TaskCancelledError)
        if make is not Sync:
            assert error is None or i in meant
    lives(book, actor)


def test_22_generators_too(book):
    actor, randomly = Sync.remote(book.ledger), random.Random(23)
    streams = [book.submit(actor, "values", 50) for _ in range(60)]
    for _ in range(120):
        jactors.cancel(randomly.choice(streams))
        jactors.interrupt(actor)
    for stream in streams:
        values = []
        try:
            values.extend(got(ref) for ref in stream)
        except E.TaskCancelledError:
            pass
        assert values == list(range(len(values)))
    lives(book, actor)
