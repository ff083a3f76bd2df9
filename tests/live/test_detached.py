"""Detached actors outlive handles, cells and drivers, and end by kill or by themselves (RAY_API.md, section 4)."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import psutil
import pytest
from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import run_sync

import jactors
from jactors import exceptions, registry
from jactors.places import base_dir
from tests.live.conftest import PATIENCE, gone, texts, until, until_exists

SPACE = "detached"

ACTORS = """
import json, os, sys, time
from pathlib import Path
import jactors

context = jactors.init(INIT, namespace="detached", num_cpus=4)

@jactors.remote
class Plain:
    def pid(self):
        return os.getpid()

@jactors.remote
def work():
    return os.getpid()

@jactors.remote(num_cpus=1)
class Keeper:
    def __init__(self, box):
        self.n, self.box = 0, box
    def add(self):
        self.n += 1
        print("n is", self.n)
        return self.n
    def slow(self, path):
        if not self.n:
            Path(path).touch()
        time.sleep(0.1)
        self.n += 1
    def pids(self):
        return os.getpid(), os.getppid()
    def make(self):
        self.child = Plain.remote()
        return self.child.pid()
    def child_pid(self):
        return self.child.pid()
    def task(self):
        return jactors.get(work.remote())
    def read(self):
        return jactors.get(self.box[0])
    def die(self):
        os._exit(3)
    def leave(self):
        jactors.actor.exit_actor()

keeper = Keeper.options(name="keeper", lifetime="detached", max_restarts=1).remote([jactors.put("the driver's")])
plain = Plain.options(name="plain").remote()
told = {"session": context["address"], "folder": context["session_dir"], "plain": plain.pid(), "child": keeper.make()}
told["pid"], told["supervisor"] = keeper.pids()
"""
TELL = "\nprint(json.dumps(told), flush=True)\n"


def told_by(driver):
    line = driver.stdout.readline()
    assert line, driver.stderr.read()
    return json.loads(line)


def left_of(told):
    """Files of a session that has ended."""
    found = [*Path(jupyter_runtime_dir()).glob(f"jactors-{told['session']}-*"), *base_dir().glob(told["session"])]
    return [str(path) for path in found]


def assert_over(told):
    """Nothing is left of the session of a detached actor that has ended."""
    assert gone(told["supervisor"], told["pid"], told["child"], told["plain"]) == []
    assert left_of(told) == []
    assert registry.lookup(SPACE, "keeper") is None


def retried(method, *args):
    """Call until the actor is back."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return method(*args)
        except exceptions.ActorUnavailableError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(autouse=True)
def ended(session):
    """Whatever a test leaves detached, also one that fails, is over before the next."""
    yield
    for space, name in registry.names():
        with contextlib.suppress(exceptions.ActorNotFoundError):  # it is ending by itself
            jactors.kill(jactors.get_actor(name, space))
    mine = jactors.session.current().folder.name
    until(lambda: [path.parent.name for path in base_dir().glob("*/supervisor")] == [mine])


# ---------------------------------------------------------------- the driver ends


def test_kill_9_of_the_driver(start, tmp_path, capfd):
    """One driver, and all that must hold when it is gone."""
    driver = start(
        ACTORS
        + f"calls = [keeper.slow.remote({str(tmp_path / 'runs')!r}) for _ in range(3)]"
        + TELL
        + "sys.stdin.read()"
    )
    told = told_by(driver)
    until_exists(tmp_path / "runs")
    driver.kill()
    driver.wait()
    assert gone(told["plain"]) == []  # what is not detached goes, and frees its name
    with pytest.raises(exceptions.ActorNotFoundError, match="there are 'keeper'"):
        jactors.get_actor("plain", SPACE)
    keeper = jactors.get_actor("keeper", SPACE)
    n = keeper.add()
    assert 2 <= n <= 4  # what was sent has run; the last of it may have been in the driver's memory still
    assert capfd.readouterr().out.strip() == f"(Keeper pid={told['pid']}) n is {n}"  # no other is shown to us
    assert keeper.pids() == (told["pid"], told["supervisor"])
    assert keeper.child_pid() == told["child"]  # what it has made lives as long as it does
    assert keeper.task() not in told.values()
    with pytest.raises(exceptions.OwnerDiedError):
        keeper.read()
    assert not list(Path(told["folder"]).glob(f"desk-{driver.pid}-*"))
    with pytest.raises(exceptions.ActorUnavailableError):
        keeper.die()
    assert retried(keeper.add) == 1  # it restarts as ever, from its creation file
    with pytest.raises(exceptions.ActorDiedError, match="exit code 3"):
        keeper.die()
    assert_over(told)


@pytest.mark.parametrize("last", ["", "jactors.shutdown()", "os.kill(os.getpid(), signal.SIGHUP)"])
def test_however_its_driver_ends_it_lives_on(start, last):
    driver = start("import signal\n" + ACTORS + TELL + last)
    told = told_by(driver)
    _, err = driver.communicate(timeout=PATIENCE)
    assert err == ""
    keeper = jactors.get_actor("keeper", SPACE)
    assert (keeper.add(), keeper.pids(), keeper.child_pid()) == (1, (told["pid"], told["supervisor"]), told["child"])
    assert gone(told["plain"]) == []
    keeper.leave.remote()
    assert_over(told)


def test_two_later_drivers_have_their_own_replies_and_their_own_output(start, tmp_path):
    told = told_by(start(ACTORS + TELL))
    other = """
    import jactors, sys, time
    from pathlib import Path
    jactors.init(INIT, namespace="detached")
    keeper = jactors.get_actor("keeper")
    Path(ME).touch()
    while not Path(OTHER).exists(): time.sleep(0.005)
    seen = jactors.get([keeper.add.remote() for _ in range(50)])
    assert seen == sorted(set(seen)) and len(seen) == 50
    print(seen)
    """
    ways = [repr(str(tmp_path / name)) for name in "ab"]
    drivers = [start(other.replace("ME", a).replace("OTHER", b)) for a, b in (ways, ways[::-1])]
    outs = [driver.communicate(timeout=PATIENCE) for driver in drivers]
    seen = []
    for out, err in outs:
        *prints, returned = out.splitlines()
        mine = json.loads(returned) if returned else err
        assert prints == [f"(Keeper pid={told['pid']}) n is {n}" for n in mine]
        seen += mine
    assert sorted(seen) == list(range(1, 101))
    jactors.kill(jactors.get_actor("keeper", SPACE))
    assert_over(told)


def test_shutdown_keeps_it_and_its_supervisor_is_reaped_when_it_ends(run):
    code, out, err = run(
        ACTORS
        + """
jactors.shutdown()
try: keeper.add()
except jactors.exceptions.ActorDiedError as error: print("shut down" in str(error))
keeper = jactors.get_actor("keeper", "detached")
print(keeper.add(), jactors.get_runtime_context().get_job_id() != told["session"])
jactors.kill(keeper)
import psutil
while any(child.pid == told["supervisor"] for child in psutil.Process().children()): time.sleep(0.01)
"""
    )
    assert (code, [line for line in out.splitlines() if "pid=" not in line]) == (0, ["True", "1 True"]), err


def test_a_driver_joins_a_session_that_has_lost_its_own(start, run):
    told = told_by(start(ACTORS + TELL))
    until(lambda: gone(told["plain"]) == [])
    code, out, err = run(
        f"""
        import jactors
        jactors.init({told["session"]!r}, namespace="detached")
        @jactors.remote
        class Guest:
            def one(self): return 1
        guest, keeper = Guest.remote(), jactors.get_actor("keeper")
        print(guest.one(), keeper.add(), jactors.cluster_resources()["CPU"])
        jactors.kill(keeper)
        print(guest.one())
        """
    )
    assert (code, [line for line in out.splitlines() if "pid=" not in line]) == (0, ["1 1 4.0", "1"]), err
    assert_over(told)


# ---------------------------------------------------------------- the supervisor is told to end


def test_sigterm_to_its_supervisor_ends_it_and_sighup_does_not(start):
    told = told_by(start(ACTORS + TELL))
    keeper = jactors.get_actor("keeper", SPACE)
    os.kill(told["supervisor"], signal.SIGHUP)
    assert keeper.add() == 1
    os.kill(told["supervisor"], signal.SIGTERM)
    with pytest.raises(exceptions.ActorDiedError):
        while True:
            keeper.add()
    assert_over(told)


def test_kill_9_of_its_supervisor_is_a_crash_and_the_next_who_looks_finds_it(start, run):
    """Its name stays, also for a handle from before; with the last restart it ends, and the next session clears up."""
    driver = start(ACTORS + TELL)
    told = told_by(driver)
    driver.wait(PATIENCE)
    os.kill(told["supervisor"], signal.SIGKILL)
    assert gone(told["supervisor"], told["pid"], told["child"]) == []
    keeper = jactors.get_actor("keeper", SPACE)
    assert (keeper.add(), keeper.pids()[0] != told["pid"]) == (1, True)
    os.kill(keeper.pids()[1], signal.SIGKILL)
    with pytest.raises(exceptions.ActorDiedError, match="supervisor"):
        while True:
            keeper.add()
    with pytest.raises(exceptions.ActorNotFoundError, match="its session was killed"):
        jactors.get_actor("keeper", SPACE)
    assert run("import jactors; jactors.init(INIT)")[0] == 0
    assert_over(told)


def test_kill_9_of_driver_and_supervisor_and_a_handle_heals_with_the_state(start):
    """Whoever holds one brings it back, where nobody else is left to do so."""
    driver = start(ACTORS.replace("max_restarts=1", "max_restarts=1, checkpoint=1") + TELL + "sys.stdin.read()")
    told = told_by(driver)
    keeper = jactors.get_actor("keeper", SPACE)
    assert keeper.add() == 1
    for process in (driver.pid, told["supervisor"]):
        os.kill(process, signal.SIGKILL)
    driver.wait()
    assert gone(told["pid"]) == []
    while True:
        try:
            assert keeper.add() == 2
            break
        except exceptions.ActorUnavailableError:
            time.sleep(0.01)
    jactors.kill(jactors.get_actor("keeper", SPACE))
    until(lambda: left_of(told) == [])


# ---------------------------------------------------------------- options


def test_nothing_holds_the_terminal_of_the_driver(start):
    """What a detached actor keeps open must not keep a pipe, or a terminal, from ending."""
    driver = start(ACTORS + TELL)
    out, _ = driver.communicate(timeout=PATIENCE)  # returns when nobody holds its ends any more
    told = json.loads(out)
    supervisor = psutil.Process(told["supervisor"])
    assert supervisor.cwd() == told["folder"]
    assert os.getsid(supervisor.pid) == supervisor.pid


def test_all_actors_of_a_driver_can_be_detached(run):
    code, out, err = run(
        """
        import jactors
        from jactors.job_config import JobConfig
        @jactors.remote
        class A:
            def one(self): return 1
            def make(self): return A.options(name="made").remote().one()  # of the driver's lifetime too
        job = JobConfig(ray_namespace="detached", default_actor_lifetime="detached")
        session = jactors.init(INIT, job_config=job)["address"]
        a, b = A.options(name="keeper").remote(), A.options(name="b", lifetime="non_detached").remote()
        print(a.make(), b.one(), jactors.get_runtime_context().namespace)
        """
    )
    assert (code, out) == (0, "1 1 detached\n"), err
    assert registry.names(SPACE) == [(SPACE, "keeper"), (SPACE, "made")]
    assert jactors.get_actor("keeper", SPACE).one() == 1


def test_without_a_name_it_is_listed_and_lives_on_without_handles(session):
    @jactors.remote
    class A:
        def pid(self):
            return os.getpid()

    pid = A.options(lifetime="detached").remote().pid()
    (told,) = [
        told
        for told in jactors.session.current().watch.request("list")["actors"]
        if told["detached"] and told["state"] == "ALIVE"
    ]
    assert told["pid"] == pid and told["started_at"] > psutil.boot_time()
    assert psutil.pid_exists(pid)
    jactors.session.current().kill(told["actor_id"], for_good=True, reason="the test is over")
    assert gone(pid) == []


# ---------------------------------------------------------------- one name, many who want it


def _claim(barrier, answers, address, launcher, name):
    """In a forked process: all ask at the same moment."""
    try:
        jactors.session._forget()
        jactors.init(address, namespace=SPACE, **({} if address else {"launcher": launcher}))
        barrier.wait(PATIENCE)
        handle = _One.options(name=name, lifetime="detached", get_if_exists=True).remote(f"/{name}")
        os.write(answers, f"{jactors.get(handle.pid.remote(), timeout=PATIENCE)}\n".encode())
        jactors.shutdown()
    except BaseException as error:
        os.write(answers, f"{error!r}\n".encode())
    finally:
        os._exit(0)


@jactors.remote
class _One:
    def __init__(self, mark):
        Path(os.environ["JUPYTER_RUNTIME_DIR"] + mark + f"-{os.getpid()}").touch()

    def pid(self):
        return os.getpid()


@pytest.mark.parametrize(("processes", "joined"), [(50, True), (4, False)], ids=["one session", "a session each"])
def test_of_many_who_want_a_name_at_once_one_makes_the_actor(session, launcher, tmp_path, processes, joined):
    fork = multiprocessing.get_context("fork")
    name = f"wanted-{processes}"
    barrier, (answers, answer) = fork.Barrier(processes), os.pipe()
    given = (barrier, answer, session["address"] if joined else None, launcher, name)
    children = [fork.Process(target=_claim, args=given) for _ in range(processes)]
    for child in children:
        child.start()
    os.close(answer)
    with os.fdopen(answers) as reader:
        lines = reader.read().splitlines()
    for child in children:
        child.join()
    assert len(lines) == processes
    pids = set(lines)
    assert len(pids) == 1
    made = list(Path(jupyter_runtime_dir()).glob(f"{name}-*"))
    assert [path.name for path in made] == [f"{name}-{pids.pop()}"]
    made[0].unlink()


def test_who_finds_a_name_before_its_actor_is_there_waits_for_it(session):
    here = jactors.session.current()
    original = here.spawn
    calls = []

    def late(**given):
        calls.append(jactors.get_actor("late").pid.remote())
        time.sleep(0.3)
        return original(**given)

    here.spawn = late
    try:
        made = _One.options(name="late").remote("/late")
    finally:
        del here.spawn
    assert jactors.get(calls[0], timeout=PATIENCE) == made.pid()
    next(Path(jupyter_runtime_dir()).glob("late-*")).unlink()


# ---------------------------------------------------------------- notebooks


def test_a_cell_that_runs_again_and_the_notebooks_restart_button(environment, launcher):
    import nbformat
    from nbclient import NotebookClient

    client = NotebookClient(nbformat.v4.new_notebook(), timeout=PATIENCE, kernel_name="python3")
    client.km = client.create_kernel_manager()

    def cell(source):
        client.nb.cells.append(nbformat.v4.new_code_cell(source))
        client.execute_cell(client.nb.cells[-1], len(client.nb.cells) - 1)
        return texts(client.nb.cells[-1].outputs).strip()

    init = f"import jactors, os\njactors.init(launcher={launcher!r}, namespace='detached')\n"
    make = (
        "class A:\n    def pid(self): return os.getpid()\n    def say(self): print('said')\n"
        "a = jactors.remote(A).options(name='keeper', lifetime='detached', get_if_exists=True).remote()\nprint(a.pid())"
    )
    with client.setup_kernel(env=environment):
        cell(init)
        first = cell(make)
        assert cell(make) == first
        run_sync(client.km.restart_kernel)(now=True)
        run_sync(client.kc.wait_for_ready)(timeout=PATIENCE)
        cell(init)
        assert cell("a = jactors.get_actor('keeper')\nprint(a.pid())") == first
        assert cell("a.say()") == "said"
        cell("jactors.kill(a)\njactors.shutdown()")
