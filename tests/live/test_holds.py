"""Lives that are held from several processes. RAY_API 4: GC of strong and weak handles; 3: refs nested and borrowed."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import threading
import time

import pytest

import jactors
from jactors import session as sessions
from jactors.util.state import get_actor as state_of
from tests.live.conftest import PATIENCE, gone, until, until_exists


@jactors.remote
class Leaf:
    """What is held."""

    def pid(self):
        return os.getpid()

    def note(self, path):
        with open(path, "a") as file:
            file.write("x")

    def wait_for(self, ready, gate):
        open(ready, "w").close()
        while not os.path.exists(gate):
            time.sleep(0.002)


class Keeper:
    """Holds things, makes things, and passes them on."""

    kept = None

    def keep(self, thing):
        self.kept = thing
        return os.getpid()

    def look(self, thing):
        return None

    def give(self):
        return self.kept

    def let_go(self):
        self.kept = None
        gc.collect()

    def relay(self, thing):
        return thing

    def relay_to(self, others, thing):
        if not others:
            return thing
        return jactors.get(others[0].relay_to.remote(others[1:], thing))

    def stream(self, n):
        for _ in range(n):
            yield Leaf.remote()

    def make(self):
        self.kept = Leaf.remote()
        return [self.kept], self.kept.pid()

    def make_and_forget(self):
        return [Leaf.remote()]

    def fail_with(self, thing):
        error = ValueError("see `thing`")
        error.thing = thing
        raise error

    def kept_pid(self):
        return jactors.get((self.kept[0] if isinstance(self.kept, list) else self.kept).pid.remote())

    def use_and_forget(self, things, ready, gate, log):
        """Submit calls by a handle that is gone when this returns."""
        things[0].wait_for.remote(ready, gate)
        things[0].note.remote(log)

    def me(self):
        return jactors.get_runtime_context().current_actor

    def put(self, value):
        self.kept = [jactors.put(value)]
        return self.kept

    def value(self):
        return jactors.get(self.kept[0])

    def cancelled(self):
        jactors.cancel(self.kept[0])

    def pinned(self):
        return exported()

    async def nothing(self):
        pass


AsyncKeeper = jactors.remote(Keeper)
Keeper = jactors.remote(type("Keeper", (), {k: v for k, v in vars(Keeper).items() if k != "nothing"}))


def exported():
    """How many values of this process are kept for others."""
    return len(sessions.current()._desk._pinned)


def settled():
    """Wait until the supervisor has heard and weighed all that this process has said so far."""
    for _ in range(3):
        sessions.current().watch.request("resources")


def lives(handle, pid):
    """Whether the actor is alive after the supervisor has had every reason to think about it."""
    gc.collect()
    settled()
    return jactors.get(handle.pid.remote(), timeout=PATIENCE) == pid


@pytest.fixture
def leaf(session):
    """A named actor: (strong handle in a list, weak handle, pid)."""
    name = f"leaf-{time.monotonic_ns()}"
    strong = [Leaf.options(name=name).remote()]
    return strong, jactors.get_actor(name), strong[0].pid()


@pytest.fixture
def keeper(session):
    return Keeper.remote()


@pytest.fixture(params=["sync", "threads", "async"])
def any_keeper(session, request):
    made = {
        "sync": Keeper.remote,
        "threads": Keeper.options(max_concurrency=2).remote,
        "async": AsyncKeeper.remote,
    }
    return made[request.param]()


# ---------------------------------------------------------------- strong handles


def test_an_argument_that_is_kept_keeps_the_actor(leaf, any_keeper):
    strong, weak, pid = leaf
    any_keeper.keep(strong[0])
    del strong[:]
    assert lives(weak, pid) and any_keeper.kept_pid() == pid
    any_keeper.let_go()
    assert gone(pid) == []


def test_an_argument_that_is_not_kept_does_not(leaf, keeper):
    strong, _, pid = leaf
    keeper.look([strong[0]])
    del strong[:]
    assert gone(pid) == []


def test_an_argument_that_waits_in_the_queue_keeps_the_actor(leaf, keeper, tmp_path):
    strong, weak, pid = leaf
    blocker = Leaf.remote()
    ready, gate = str(tmp_path / "ready"), str(tmp_path / "gate")
    late = keeper.keep.remote([strong[0], blocker.wait_for.remote(ready, gate)])
    after = keeper.look.remote(blocker.wait_for.remote(ready, gate))
    del strong[:]
    assert lives(weak, pid)
    open(gate, "w").close()
    jactors.get([late, after], timeout=PATIENCE)
    assert lives(weak, pid)
    keeper.let_go()
    assert gone(pid) == []


def test_a_result_that_nobody_has_read_keeps_the_actor(leaf, any_keeper):
    strong, weak, pid = leaf
    any_keeper.keep([strong.pop()])
    ref = any_keeper.give.remote()
    jactors.wait([ref], timeout=PATIENCE)
    any_keeper.let_go()
    assert lives(weak, pid)
    found = jactors.get(ref)
    del ref
    assert lives(weak, pid) and lives(found[0], pid)
    del found
    assert gone(pid) == []


def test_a_result_that_nobody_will_read_lets_it_go(leaf, keeper):
    strong, _, pid = leaf
    ref = keeper.relay.remote([strong.pop()])
    jactors.wait([ref], timeout=PATIENCE)
    del ref
    assert gone(pid) == []


def test_an_actor_that_is_made_elsewhere_lives_by_the_copy_here(keeper):
    (handle,), pid = keeper.make()
    keeper.let_go()
    assert lives(handle, pid)
    del handle
    assert gone(pid) == []


def test_values_of_a_stream_keep_what_they_name(session):
    keeper = Keeper.remote()
    refs = list(keeper.stream.remote(3))
    handles = [jactors.get(ref) for ref in refs]
    del refs
    pids = [handle.pid() for handle in handles]
    assert all(lives(handle, pid) for handle, pid in zip(handles, pids, strict=True))
    del handles
    assert gone(*pids) == []


def test_an_error_keeps_what_it_names(leaf, keeper):
    strong, weak, pid = leaf
    with pytest.raises(ValueError) as caught:
        keeper.fail_with(strong.pop())
    assert lives(weak, pid) and lives(caught.value.thing, pid)
    del caught
    gc.collect()
    with pytest.raises(ValueError):
        keeper.fail_with(None)  # kept for a while, for `%actor debug`, in the place of the one before
    keeper.let_go()  # an error is in a cycle with its own frame
    assert gone(pid) == []


def test_a_put_value_keeps_the_actor(leaf):
    strong, weak, pid = leaf
    ref = jactors.put({"here": strong.pop()})
    assert lives(weak, pid)
    first, second = jactors.get(ref), jactors.get(ref)
    del ref, first
    assert lives(second["here"], pid)
    del second
    assert gone(pid) == []


def test_a_put_value_that_is_passed_as_an_argument_and_forgotten(leaf, keeper):
    strong, weak, pid = leaf
    keeper.keep(jactors.put([strong.pop()]))
    assert lives(weak, pid) and keeper.kept_pid() == pid
    keeper.let_go()
    assert gone(pid) == []


def test_a_put_value_that_is_passed_as_a_ref_and_forgotten(leaf, keeper):
    strong, weak, pid = leaf
    keeper.keep([jactors.put([strong.pop()])])
    assert lives(weak, pid)
    keeper.let_go()
    assert gone(pid) == []


def uses(captured):
    class Uses:
        def inner(self):
            return captured.pid()

    return jactors.remote(Uses)


def tasks(captured):
    @jactors.remote
    def use():
        return jactors.get(captured.pid.remote())

    @jactors.remote
    def give():
        return [captured]

    return use, give


def test_a_class_keeps_what_it_closes_over(leaf):
    strong, weak, pid = leaf
    user = uses(strong.pop()).remote()
    gc.collect()  # of the class
    assert lives(weak, pid)
    assert user.inner() == pid
    del user
    assert gone(pid) == []


def test_an_actor_that_may_come_back_finds_what_its_arguments_named(leaf):
    strong, weak, pid = leaf

    class Uses:
        def __init__(self, things):
            self.things = things

        def pid(self):
            return os.getpid()

        def inner(self):
            return self.things[0].pid()

    user = jactors.remote(Uses).options(max_restarts=1, max_task_retries=-1).remote([strong.pop()])
    assert user.inner() == pid
    os.kill(user.pid(), signal.SIGKILL)
    assert lives(weak, pid)
    assert user.inner() == pid
    jactors.kill(user)
    assert gone(pid) == []


def test_a_task_keeps_what_its_function_closes_over(leaf):
    strong, _, pid = leaf
    use, give = tasks(strong.pop())
    assert jactors.get(use.remote(), timeout=PATIENCE) == pid
    (given,) = jactors.get(give.remote(), timeout=PATIENCE)
    del use, give
    assert lives(given, pid)
    del given
    assert gone(pid) == []  # also though a worker remembers the functions


def test_an_actor_runs_what_was_submitted_by_a_handle_that_is_gone(leaf, keeper, tmp_path):
    """RAY_API 4: already submitted calls still run, also those of another process."""
    strong, _, pid = leaf
    ready, gate, log = (str(tmp_path / name) for name in ("ready", "gate", "log"))
    keeper.use_and_forget([strong.pop()], ready, gate, log)
    until_exists(tmp_path / "ready")
    open(gate, "w").close()
    assert gone(pid) == []
    assert (tmp_path / "log").read_text() == "x"


def test_a_process_that_dies_gives_back_its_handles(leaf, keeper):
    strong, weak, pid = leaf
    holder = keeper.keep(strong[0])
    del strong[:]
    assert lives(weak, pid)
    os.kill(holder, signal.SIGKILL)
    assert gone(pid) == []


def test_handles_go_round_and_are_never_lost(session):
    """Each is held by nothing but what is under way; in the end none of the actors is left."""
    ring = [Keeper.remote() for _ in range(3)]
    pids = []
    for turn in range(6):
        refs = [ring[0].relay_to.remote(ring[1 : 1 + turn % 3], Leaf.remote())]
        refs.append(ring[1].relay.remote(refs.pop()))  # by a pending ref
        handle = jactors.get(refs.pop(), timeout=PATIENCE)
        pids.append(handle.pid())
        del handle
    assert gone(*pids) == []


def test_threads_that_unpickle_and_forget_the_same_handle(leaf):
    strong, weak, pid = leaf
    refs = [jactors.put(strong.pop())]
    failures = []

    def churn():
        try:
            for _ in range(200):
                jactors.get(refs[0])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and lives(weak, pid)
    del refs[:]
    assert gone(pid) == []


def test_a_copy_is_a_handle_like_any_other(leaf):
    strong, weak, pid = leaf
    copies = [copy.copy(strong[0]), copy.deepcopy(strong)]
    del strong[:]
    assert copies[0] == copies[1][0] and lives(weak, pid)
    del copies
    assert gone(pid) == []


def test_what_the_user_pickles_is_held_as_long_as_this_process(leaf):
    strong, weak, pid = leaf
    pickled = pickle.dumps(strong.pop())
    assert lives(weak, pid)
    assert lives(pickle.loads(pickled), pid)
    assert lives(weak, pid)


# ---------------------------------------------------------------- weak handles, and the end


def test_an_actor_that_is_passed_its_own_handle_is_not_leaked(session):
    """RAY_API 4: Passing an actor a handle to itself does not leak it."""
    keeper = Keeper.remote()
    pid = keeper.keep([keeper])
    del keeper
    assert gone(pid) == []


def test_current_actor_is_weak_and_stays_so_elsewhere(session):
    keeper = Keeper.remote()
    pid, weak = keeper.keep(1), keeper.me()
    assert weak == keeper
    del keeper
    assert gone(pid) == []
    with pytest.raises(jactors.exceptions.ActorDiedError, match="all references to the actor were removed"):
        jactors.get(weak.give.remote(), timeout=PATIENCE)


def test_a_handle_of_get_actor_stays_weak_when_it_is_passed_on(leaf, keeper):
    strong, weak, pid = leaf
    keeper.keep(weak)
    del strong[:]
    assert gone(pid) == []
    with pytest.raises(jactors.exceptions.RayActorError, match="all references to the actor were removed"):
        keeper.kept_pid()


def test_the_end_by_the_last_handle_uses_no_restart(session):
    """RAY_API 4: Out-of-scope death never uses max_restarts."""
    leaf = Leaf.options(max_restarts=-1).remote()
    pid, actor_id = leaf.pid(), leaf._actor_id.hex()
    del leaf
    assert gone(pid) == []
    until(lambda: state_of(actor_id).state == "DEAD")
    assert state_of(actor_id).num_restarts == 0


def test_an_actor_that_waits_for_resources_goes_with_its_handle(session):
    """RAY_API 1: An actor whose handle is dropped before it was scheduled is cancelled."""
    taken = Leaf.options(num_gpus=4).remote()
    taken.pid()
    waits = Leaf.options(num_gpus=1).remote()
    actor_id = waits._actor_id.hex()
    assert state_of(actor_id).state == "PENDING_CREATION"
    del waits
    until(lambda: state_of(actor_id).state == "DEAD")


# ---------------------------------------------------------------- borrowed refs


def test_a_borrowed_value_is_kept_as_long_as_it_is_borrowed(session, any_keeper):
    before = exported()
    ref = jactors.put(list(range(1000)))
    any_keeper.keep([ref])
    del ref
    settled()
    assert exported() == before + 1
    assert any_keeper.value() == list(range(1000))
    any_keeper.let_go()
    until(lambda: exported() == before)


def test_a_borrowed_ref_that_is_lent_on(session, keeper):
    before = exported()
    other = Keeper.remote()
    ref = jactors.put("lent")
    keeper.keep([ref])
    other.keep(keeper.give.remote())
    del ref
    keeper.let_go()
    assert other.value() == "lent" and exported() == before + 1
    other.let_go()
    until(lambda: exported() == before)


def test_a_ref_that_is_pending_when_it_is_lent_and_comes_home(session, keeper, tmp_path):
    before = exported()
    leaf = Leaf.remote()
    pending = leaf.wait_for.remote(str(tmp_path / "ready"), str(tmp_path / "gate"))
    keeper.keep([pending])
    home = keeper.give()
    assert home[0] == pending
    (tmp_path / "gate").touch()
    assert keeper.value() is None and jactors.get(home[0], timeout=PATIENCE) is None
    del pending, home
    keeper.let_go()
    until(lambda: exported() == before)


def test_a_value_of_an_actor_is_freed_there(session):
    keeper = Keeper.remote()
    ref = keeper.put("owned there")[0]
    keeper.let_go()
    assert keeper.pinned() == 1 and jactors.get(ref) == "owned there"
    del ref
    until(lambda: keeper.pinned() == 0)


def test_many_refs_in_one_argument(session, keeper):
    before = exported()
    refs = [jactors.put(i) for i in range(300)]
    keeper.keep(refs)
    del refs
    found = keeper.give()
    assert jactors.get(found) == list(range(300))
    del found
    keeper.let_go()
    until(lambda: exported() == before)


def test_a_value_whose_owner_has_died_is_lost_unless_it_was_fetched(session):
    """RAY_API 3: OwnerDiedError."""
    keeper = Keeper.remote()
    pid, fetched = keeper.keep(1), keeper.put("mine")[0]
    lost = keeper.put("mine too")[0]
    assert jactors.get(fetched) == "mine"
    os.kill(pid, signal.SIGKILL)
    assert gone(pid) == []
    assert jactors.get(fetched) == "mine"
    with pytest.raises(jactors.exceptions.OwnerDiedError, match="has ended"):
        jactors.get(lost, timeout=PATIENCE)
