"""Errors and deaths: what the caller sees, and that everything else goes on ("Bad input"; sections 1 and 4)."""

from __future__ import annotations

import os
import pickle
import re
import signal
import threading
import time

import pytest

import jactors
from tests.live.conftest import gone, until_exists

TIMEOUT = 30
exceptions = jactors.exceptions


class Custom(Exception):  # noqa: N818 - a user's name
    """Takes two arguments and hands one to its base: plain pickling loses it."""

    def __init__(self, code, *, why):
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class NotOnTheOtherSide:
    """Can be pickled, not unpickled."""

    def __reduce__(self):
        return os.strerror, ()


@jactors.remote
class Risky:
    def __init__(self, how=None):
        if how == "raise":
            broken = {}
            broken["missing"]  # the line that raises
        elif how == "exit":
            os._exit(3)
        elif how == "sys.exit":
            raise SystemExit("cannot go on")
        elif how == "custom":
            raise Custom(3, why="in init")
        self.count = 0

    def ok(self):
        self.count += 1
        return self.count

    def raises(self, kind, *args):
        raise kind(*args)  # the user's own line

    def custom(self):
        raise Custom(7, why="because")

    def nested(self):
        def inner():
            return 1 / 0

        return inner()

    def chained(self):
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("the outer") from error

    def group(self):
        raise ExceptionGroup("several", [ValueError("one"), TypeError("two")])

    def holds_a_lock(self):
        error = RuntimeError("with a lock")
        error.lock = threading.Lock()
        raise error

    def returns(self, what):
        return {"lock": {"deep": [threading.Lock()]}, "generator": (i for i in range(3))}[what]

    def takes(self, value):
        return "taken"

    def die(self, how):
        print("last words", flush=True)
        if how == "exit":
            os._exit(3)
        os.kill(os.getpid(), how)
        time.sleep(TIMEOUT)

    def leave(self, code=None):
        raise SystemExit(code)

    def wait_for(self, path):
        while not os.path.exists(path):
            time.sleep(0.002)
        return "waited"

    def pid(self):
        return os.getpid()


def running(self, path):
    """A method that says when it runs, and goes on until it is stopped."""
    open(path, "w").close()
    while True:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def risky(session):
    return Risky.remote()


def error_of(ref, kind=Exception):
    with pytest.raises(kind) as caught:
        jactors.get(ref, timeout=TIMEOUT)
    return caught.value


# ---------------------------------------------------------------- a method raises


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        (ValueError, ("boom",)),
        (KeyError, ("key",)),
        (ZeroDivisionError, ()),
        (OSError, (2, "no such file", "name")),
        (UnicodeDecodeError, ("utf-8", b"\xff", 0, 1, "bad")),
        (StopIteration, (3,)),
        (AssertionError, ("not so",)),
        (NotImplementedError, ()),
        (TimeoutError, ("late",)),
        (RecursionError, ("deep",)),
    ],
)
def test_exceptions_keep_their_type(risky, kind, args):
    error = error_of(risky.raises.remote(kind, *args), kind)
    raised = kind(*args)  # OSError picks a subclass
    assert isinstance(error, exceptions.TaskError)
    assert type(error.cause) is type(raised) and error.cause.args == raised.args
    assert risky.ok() > 0


def test_attributes_of_the_exception_are_there(risky):
    error = error_of(risky.raises.remote(OSError, 2, "no such file", "name"), FileNotFoundError)
    assert (error.errno, error.filename) == (2, "name")
    error = error_of(risky.custom.remote(), Custom)
    assert (error.code, error.why) == (7, "because")
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, Custom) and again.why == "because"


def test_the_text_has_the_users_frames_and_lines_only(risky):
    text = str(error_of(risky.nested.remote()))
    assert "return 1 / 0" in text and "return inner()" in text and "ZeroDivisionError: division by zero" in text
    assert "in nested" in text and "in inner" in text and "/jactors/" not in text and "instance.py" not in text
    assert re.match(r"Risky\.nested raised in <Risky [0-9a-f]{8}> \(pid \d+\)\n", text)


def test_chains_and_groups(risky):
    text = str(error_of(risky.chained.remote(), ValueError))
    assert "KeyError: 'key'" in text and "direct cause" in text
    error = error_of(risky.group.remote(), ExceptionGroup)
    assert [type(each) for each in error.exceptions] == [ValueError, TypeError]


def test_an_exception_that_holds_a_lock(risky):
    error = error_of(risky.holds_a_lock.remote(), RuntimeError)
    assert "with a lock" in str(error) and "lock" in str(error).partition("left out")[2]


def test_base_exceptions_do_not_end_anything(risky):
    assert isinstance(error_of(risky.raises.remote(KeyboardInterrupt)), exceptions.TaskCancelledError)
    error = error_of(risky.raises.remote(GeneratorExit), exceptions.TaskError)
    assert isinstance(error.cause, GeneratorExit)
    assert risky.ok() > 0


def test_a_repr_of_the_users_is_in_the_text(session):
    @jactors.remote
    class Named:
        def __repr__(self):
            return "Named(for error messages)"

        def fail(self):
            raise ValueError

    assert "Named(for error messages)" in str(error_of(Named.remote().fail.remote(), ValueError))


def test_each_get_raises_a_new_error(risky):
    ref = risky.raises.remote(ValueError, "again")
    assert error_of(ref) is not error_of(ref)


def test_errors_through_two_actors(session, risky):
    @jactors.remote
    class Passes:
        def on(self, risky):
            return risky.custom()

    error = error_of(Passes.remote().on.remote(risky), Custom)
    assert error.why == "because" and "raise Custom(7" in str(error)


def test_exceptions_of_main(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)

        class Mine(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")
                self.a = a

        class Base:
            def helper(self): raise Mine(1, b=2)  # raised here

        @jactors.remote
        class Actor(Base):
            def fail(self): self.helper()

        actor = Actor.remote()
        try:
            actor.fail()
        except Mine as error:
            print(type(error).__name__, error.a, type(error.cause) is Mine)
            print("self.helper()" in str(error), "raised here" in str(error))
        actor.fail()
        """
    )
    assert out.splitlines() == ["TaskError(Mine) 1 True", "True True"], err
    assert code == 1 and "1 and 2" in err and "raise Mine(1, b=2)  # raised here" in err


def test_class_of_a_cell_has_its_lines(notebook):
    outputs = notebook(
        """
        import jactors
        class Mine(Exception): pass
        @jactors.remote
        class Cell:
            def fail(self):
                raise Mine("from the cell")  # a line of the cell
        cell = Cell.remote()
        try:
            cell.fail()
        except Mine as error:
            text = str(error)
        """,
        "print(text)",
    )
    assert "# a line of the cell" in outputs[1][0].text and "Mine: from the cell" in outputs[1][0].text, outputs


# ---------------------------------------------------------------- what cannot be pickled


def test_unpicklable_argument_names_the_path(risky):
    with pytest.raises(exceptions.SerializationError, match="lock") as caught:
        risky.takes.remote({"outer": [1, threading.Lock()]})
    assert isinstance(caught.value, TypeError) and "['outer'][1]" in str(caught.value)
    assert "Risky.takes" in str(caught.value)
    assert risky.ok() > 0


def test_unpicklable_attribute_of_an_argument(risky):
    class Holder:
        def __init__(self):
            self.inner = threading.Lock()

    with pytest.raises(exceptions.SerializationError, match=r"\.inner"):
        risky.takes(Holder())


def test_unpicklable_constructor_argument(session):
    with pytest.raises(exceptions.SerializationError, match=r"Risky\.__init__"):
        Risky.remote(threading.Lock())


def test_unpicklable_class_names_the_attribute(session):
    lock = threading.Lock()

    @jactors.remote
    class Captures:
        def use(self):
            return lock

    with pytest.raises(exceptions.SerializationError, match="lock") as caught:
        Captures.remote()
    assert "lock" in str(caught.value) and "use" in str(caught.value)


def test_unpicklable_result_names_the_path_and_the_actor_lives(risky):
    error = error_of(risky.returns.remote("lock"), exceptions.SerializationError)
    assert isinstance(error, TypeError) and isinstance(error, exceptions.TaskError)
    assert "['deep'][0]" in str(error) and "Risky.returns" in str(error)
    assert "generator" in str(error_of(risky.returns.remote("generator"), TypeError))
    assert risky.ok() > 0


def test_unpicklable_one_of_several_results(risky):
    refs = risky.__ray_call__.options(num_returns=2).remote(lambda self: (1, __import__("threading").Lock()))
    for ref in refs:
        assert "lock" in str(error_of(ref, TypeError))


def test_an_argument_that_cannot_be_unpickled_in_the_actor(risky):
    error = error_of(risky.takes.remote(NotOnTheOtherSide()), exceptions.TaskError)
    assert isinstance(error.cause, TypeError)
    assert risky.ok() > 0


def test_a_result_that_cannot_be_unpickled_here(risky):
    ref = risky.__ray_call__.remote(lambda self: NotOnTheOtherSide())
    with pytest.raises(TypeError):
        jactors.get(ref, timeout=TIMEOUT)
    assert risky.ok() > 0


def test_a_module_that_only_the_driver_has(session, tmp_path, monkeypatch):
    """A class that the actor cannot import: every call says so."""
    (tmp_path / "only_here.py").write_text("class Plain:\n    def one(self): return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    actor_class = jactors.remote(only_here.Plain)
    assert actor_class.remote().one() == 1
    (tmp_path / "only_here.py").unlink()
    actor = actor_class.remote()
    for _ in range(2):
        error = error_of(actor.one.remote(), exceptions.ActorDiedError)
        assert "only_here" in str(error) and "ModuleNotFoundError" in str(error)


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


# ---------------------------------------------------------------- errors that nobody looks at

UNREAD = """
import gc, jactors
jactors.init(INIT)

@jactors.remote
class A:
    def boom(self, text):
        raise ValueError(text)

    def ping(self):
        return 1

a = A.remote()
"""


def test_an_error_that_nobody_looks_at_is_logged(run):
    """RAY_API 4: Failed refs dropped unread are logged as "Unhandled error" in the driver."""
    code, _, err = run(
        UNREAD
        + """
ref = a.boom.remote("unread")
jactors.wait([ref])
del ref
seen = a.boom.remote("seen")
try:
    jactors.get(seen)
except ValueError:
    pass
del seen
a.ping()
"""
    )
    assert code == 0
    assert err.count("Unhandled error") == 1 and "A.boom raised" in err and "ValueError: unread" in err


@pytest.mark.parametrize("name", ["JACTORS_IGNORE_UNHANDLED_ERRORS", "RAY_IGNORE_UNHANDLED_ERRORS"])
def test_errors_that_nobody_looks_at_can_be_ignored(run, name):
    code, _, err = run(
        f"import os\nos.environ[{name!r}] = '1'\n" + UNREAD + "jactors.wait([a.boom.remote('unread')])\na.ping()\n"
    )
    assert (code, err) == (0, "")


def test_what_was_cancelled_or_retried_was_looked_at(run):
    code, _, err = run(
        UNREAD
        + """
import time
ref = a.__ray_call__.remote(lambda self: time.sleep(30))
jactors.wait([ref], timeout=0.3)
jactors.cancel(ref)
jactors.wait([ref])
del ref
a.ping()
"""
    )
    assert (code, err) == (0, "")
