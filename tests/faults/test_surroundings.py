"""Faults of what surrounds actors: the notebook (8), the supervisor (10), names (26), clocks (27). See test_rows."""

from __future__ import annotations

import os
import time

import pytest

import jactors
from tests.faults.witness import PATIENCE, children_gone, until

E = jactors.exceptions


# ---------------------------------------------------------------- 8: the notebook


NOTEBOOK = """
import os, jactors
jactors.init(num_cpus=4, namespace="row8")

@jactors.remote
class A:
    def pid(self): return os.getpid()
    def hang(self):
        while True: pass

actors = [A.options(name=f"a{i}").remote() for i in range(3)]
pids = jactors.get([a.pid.remote() for a in actors])
print(*pids, flush=True)
"""


@pytest.fixture
def kernel(environment):
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", env=environment)
    client.session_of = manager

    def execute(code, wait=True):
        out = []
        if not wait:
            client.execute(code)
            return out
        reply = client.execute_interactive(
            code,
            timeout=PATIENCE,
            output_hook=lambda m: out.append(m["content"].get("text", "") if m["msg_type"] == "stream" else ""),
        )
        out.append(reply["content"].get("ename", ""))
        return "".join(out).strip()

    yield execute, manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.cleanup_resources()
    client.context.term() if client.context is not manager.context else None


@pytest.mark.parametrize("now", [False, True], ids=["restart", "restart, kill -9"])
def test_08_the_restart_button(kernel, now):
    execute, manager, client = kernel
    pids = [int(pid) for pid in execute(NOTEBOOK).split()]
    execute("hangs = [a.hang.remote() for a in actors[:2]]")
    manager.restart_kernel(now=now)
    client.wait_for_ready(timeout=PATIENCE)
    assert children_gone(*pids)
    again = [int(pid) for pid in execute(NOTEBOOK).split()]  # the names are free
    assert len(again) == 3 and not set(again) & set(pids)
    execute("jactors.shutdown()")
    assert children_gone(*again)


def test_08_ctrl_c_ends_no_actor_and_reset_frees_them(kernel):
    execute, _, _ = kernel
    pids = [int(pid) for pid in execute(NOTEBOOK).split()]
    execute("import threading; threading.Timer(0.5, lambda: os.kill(os.getpid(), 2)).start()")
    assert execute("actors[0].hang()").endswith("KeyboardInterrupt")
    assert execute("print(actors[0].pid())") == str(pids[0])
    execute("%reset -f")
    assert children_gone(*pids)
    until(lambda: execute("import jactors; print(jactors.util.list_named_actors())") == "[]", "freeing of the names")


# ---------------------------------------------------------------- 10: the supervisor is killed


SUPERVISED = """
import json, os, sys, jactors
from tests.faults.witness import Book, Sync
context = jactors.init(INIT, num_cpus=4)
book = Book(sys.argv[1] if len(sys.argv) > 1 else "ledger")
actors = [Sync.options(max_restarts=-1, max_task_retries=-1).remote(book.ledger) for _ in range(3)]
pids = jactors.get([a.pid.remote() for a in actors])
supervisor = json.load(open(context["session_dir"] + "/supervisor"))["pid"]
refs = [book.submit(actor, "spin", 0.005) for actor in actors for _ in range(100)]
"""


def test_10_supervisor_sigkill_loses_no_call_and_another_takes_over(run):
    """Twice, in the middle of calls: those that may run again do, the others say what has happened."""
    code, out, err = run(
        SUPERVISED
        + """
others = [Sync.options(max_restarts=-1).remote(book.ledger), Sync.remote(book.ledger)]
jactors.get([a.pid.remote() for a in others])
kinds = set()
for turn in range(2):
    once = [book.submit(actor, "spin", 0.005) for actor in others for _ in range(20)]
    jactors.wait(refs, num_returns=100 * (turn + 1))
    supervisor = json.load(open(context["session_dir"] + "/supervisor"))["pid"]
    os.kill(supervisor, 9)
    for ref in once:
        try: jactors.get(ref, timeout=20)
        except jactors.exceptions.RayError as error: kinds.add((type(error).__name__, "supervisor" in str(error)))
    others[1] = Sync.remote(book.ledger)
    jactors.get(others[1].pid.remote(), timeout=20)
print(len(jactors.get(refs, timeout=60)), sorted(kinds))
book.judge()
print(jactors.cluster_resources()["CPU"], set(jactors.get([a.pid.remote() for a in actors])) & set(pids))
jactors.shutdown()
print(os.path.exists(context["session_dir"]))
"""
    )
    expected = ["300 [('ActorDiedError', True), ('ActorUnavailableError', True)]", "4.0 set()", "False"]
    assert (code, out.splitlines()) == (0, expected), err


def test_10_a_driver_that_has_joined_goes_on_with_the_new_supervisor(run, start):
    driver = start(SUPERVISED + "\nprint(context['address'], supervisor, flush=True)\nsys.stdin.read()")
    address, supervisor = driver.stdout.readline().split()
    code, out, err = run(
        f"""
import os, jactors
from tests.faults.witness import Book, Sync
jactors.init(address="{address}")
book = Book("ledger of the guest", "guest")
mine = Sync.remote(book.ledger)
mine.pid()
hanging = book.submit(mine, "spin", 60)
os.kill({supervisor}, 9)
try: jactors.get(hanging, timeout=20)
except jactors.exceptions.ActorDiedError as error: print("supervisor" in str(error))
print(book.submit(Sync.remote(book.ledger), "work").__class__.__name__)
book.judge()
"""
    )
    assert (code, out.splitlines()) == (0, ["True", "ObjectRef"]), err


def test_10_supervisor_stopped_and_going_on(run):
    """Calls need no supervisor; a restart waits for it."""
    code, out, err = run(
        SUPERVISED
        + """
jactors.get(refs, timeout=20)
os.kill(supervisor, 19)
print(len(jactors.get([book.submit(a, "work") for a in actors], timeout=20)))
os.kill(pids[0], 9)
late = book.submit(actors[0], "work")
print(jactors.wait([late], timeout=0.2)[0])
os.kill(supervisor, 18)
print(jactors.get(late, timeout=20)[1])
book.judge()
"""
    )
    assert (code, out.splitlines()) == (0, ["3", "[]", "2"]), err


# ---------------------------------------------------------------- 26: one name, many processes


#: Processes and rounds; FAULTS.md says 50x200, which takes minutes.
MANY, ROUNDS = map(int, os.environ.get("JACTORS_TEST_ONE_NAME", "6x10").split("x"))


@pytest.mark.timeout(120 + 2 * MANY * ROUNDS // 10)
def test_26_many_processes_get_if_exists_one_name(session, start, tmp_path):
    script = f"""
        import os, sys, jactors
        jactors.init(INIT, address={session["address"]!r})
        class Once:
            def __init__(self):
                with open({str(tmp_path / "inits")!r}, "a") as file: file.write("x")
            def pid(self): return os.getpid()
        Once = jactors.remote(Once)
        print("up", flush=True)
        for line in sys.stdin:
            name = line.strip()
            actor = Once.options(name=name, namespace="row26", get_if_exists=True).remote()
            print(actor.pid(), flush=True)
            sys.stdin.readline()
            del actor
    """
    drivers = [start(script) for _ in range(MANY)]
    for driver in drivers:
        assert driver.stdout.readline() == "up\n", driver.stderr.read()
    for i in range(ROUNDS):
        for driver in drivers:
            driver.stdin.write(f"name{i}\n")
            driver.stdin.flush()
        assert len({driver.stdout.readline() for driver in drivers}) == 1
        assert len((tmp_path / "inits").read_text()) == i + 1
        for driver in drivers:
            driver.stdin.write("next\n")
            driver.stdin.flush()


# ---------------------------------------------------------------- 27: clocks


def test_27_all_processes_suspended_and_no_timeout_fires(run):
    """What the whole session slept through counts for nobody's patience."""
    code, out, err = run(
        """
        import json, os, subprocess, sys, time, jactors
        from tests.faults.witness import until
        context = jactors.init(INIT)

        @jactors.remote(max_restarts=-1, start_timeout=1.5)
        class Slow:
            def __init__(self):
                open("born", "a").write(f"{os.getpid()}\\n")
                until(lambda: os.path.exists("gate"))
            def pid(self): return os.getpid()

        slow = Slow.remote()
        until(lambda: os.path.exists("born") and open("born").read().endswith("\\n"))
        pid = int(open("born").read())
        supervisor = json.load(open(context["session_dir"] + "/supervisor"))["pid"]
        # From outside, since this process is stopped as well.
        names = f"{supervisor} {pid} {os.getpid()}"
        subprocess.run(["sh", "-c", f"(kill -STOP {names}; sleep 3; kill -CONT {names}) >/dev/null 2>&1 </dev/null &"])
        time.sleep(0.5)
        open("gate", "w").close()
        print(jactors.get(slow.pid.remote(), timeout=20) == pid)
        """
    )
    assert (code, out) == (0, "True\n"), err


def test_27_a_clock_that_is_set_changes_nobodys_name(monkeypatch):
    """A process is known by its pid and start; on Linux that start is no time of day."""
    import psutil

    from jactors.vitals import process_alive, start_time

    before = start_time(os.getpid())
    monkeypatch.setattr(time, "time", lambda: 12345.0)
    monkeypatch.setattr(psutil, "boot_time", lambda: 12345.0)
    assert process_alive(os.getpid(), before) and start_time(os.getpid()) == before
