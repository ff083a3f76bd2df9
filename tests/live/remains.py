"""A driver with busy actors and their children, and what is left of its session when it has ended: nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path

from jupyter_core.paths import jupyter_runtime_dir

from jactors.places import base_dir
from tests.live.conftest import gone

#: Seconds that a session has, after its driver, to be gone. What the issue promises, not a timing.
CLEAN = 3.0


def left_of(session):
    """Files of a session that has ended."""
    runtime = Path(jupyter_runtime_dir())
    return [str(path) for path in [*runtime.glob(f"jactors-{session}-*"), *base_dir().glob(session)]]


def assert_clean(told, timeout=CLEAN):
    """No process of `told["pids"]`, no file of its session."""
    deadline = time.monotonic() + timeout
    assert gone(*told["pids"], timeout=timeout) == []
    while left := left_of(told["session"]):
        assert time.monotonic() < deadline, left
        time.sleep(0.005)


def told_by(driver):
    line = driver.stdout.readline()
    assert line, driver.stderr.read()
    return json.loads(line)


#: A driver with twenty actors, half of them in a native call that holds the GIL, each with children of its own.
TWENTY = """
import ctypes, json, os, subprocess, sys, time
import jactors

context = jactors.init(INIT, num_cpus=20)

@jactors.remote
class Actor:
    def pid(self):
        return os.getpid()
    def child(self):
        # A child that leaves the process group and the session, with nothing but its environment to know it by.
        self.child = subprocess.Popen(["setsid", "sleep", "1000"])
        return self.child.pid
    def grandchild(self):
        code = "import subprocess as s; print(s.Popen(['sleep', '1000'], stdout=s.DEVNULL, start_new_session=True).pid)"
        return int(subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE).stdout)
    def hang(self):
        ctypes.PyDLL(None).sleep(1000)  # native, and holds the GIL
    def busy(self):
        while True: pass
    def ignore(self):
        import signal
        for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(signum, signal.SIG_IGN)

actors = [Actor.options(name=f"actor{i}").remote() for i in range(20)]
pids = jactors.get([actor.pid.remote() for actor in actors])
pids += jactors.get([actor.child.remote() for actor in actors[:5]])
pids += jactors.get([actor.grandchild.remote() for actor in actors[5:7]])
jactors.get([actor.ignore.remote() for actor in actors[:8]])
hanging = [actor.hang.remote() for actor in actors[:3] + actors[10:12]]
busy = [actor.busy.remote() for actor in actors[3:5]]
supervisor = json.load(open(context["session_dir"] + "/supervisor"))["pid"]
pids.append(supervisor)
print(json.dumps({"pids": pids, "session": context["address"], "folder": context["session_dir"]}), flush=True)
"""


#: The same with four actors, of which three hang and one is busy.
FEW = TWENTY.replace("range(20)", "range(4)")
