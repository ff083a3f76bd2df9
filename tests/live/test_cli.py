"""The command line: ``jactors list|attach|logs|kill|sweep``, and ``jupyter actors`` with the same."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time

import pytest

import jactors
from jactors.cli import actors, main
from jactors.places import base_dir
from tests.live.conftest import PATIENCE, gone

ELSEWHERE = """
import jactors
jactors.init(INIT, namespace="elsewhere", num_cpus=4)
@jactors.remote(num_cpus=1)
class Keeper:
    def __init__(self): self.n = 41
    def say(self, what): print(what)
keeper = Keeper.options(name="keeper", lifetime="detached").remote()
keeper.say("first line")
"""


@jactors.remote
class Counter:
    def __init__(self):
        self.n = 0

    def add(self, n=1):
        self.n += n
        return self.n

    def pid(self):
        return os.getpid()

    def say(self, what):
        print(what)


def run(capsys, *arguments, command=main):
    code = command(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def counter(session):
    handle = Counter.options(name="tally", num_cpus=1).remote()
    handle.add()
    yield handle
    jactors.kill(handle)


@pytest.fixture
def keeper(start):
    """A detached actor of a driver that has ended."""
    driver = start(ELSEWHERE)
    _, err = driver.communicate(timeout=PATIENCE)
    assert driver.returncode == 0, err
    handle = jactors.get_actor("keeper", "elsewhere")
    yield handle
    jactors.kill(handle)


# ---------------------------------------------------------------- list


def test_list_shows_the_actors_of_all_sessions(session, counter, keeper, capsys):
    code, out, _ = run(capsys, "list")
    head, *rows = out.splitlines()
    assert code == 0 and head.split()[:5] == ["ID", "CLASS", "NAME", "NAMESPACE", "STATE"]
    (mine,), (theirs,) = ([row for row in rows if name in row] for name in ("tally", "keeper"))
    assert mine.startswith(counter._actor_id.hex()[:8]) and f"{session['address']} (driver {os.getpid()})" in mine
    assert " alive " in theirs and "(no driver)" in theirs and theirs.endswith("detached")
    assert run(capsys, "list", command=actors)[1].splitlines()[0] == head


def test_list_says_all_that_is_known_as_json(session, counter, capsys):
    told = json.loads(run(capsys, "list", "--json")[1])
    (mine,) = [each for each in told if each["name"] == "tally"]
    assert (mine["pid"], mine["state"], mine["session"]) == (counter.pid(), "ALIVE", session["address"])


def test_list_tells_of_the_dead_when_asked(session, capsys):
    dead = Counter.options(name="gone").remote()
    dead.add()
    jactors.kill(dead)
    with pytest.raises(jactors.exceptions.ActorDiedError):
        dead.add()
    assert " gone " not in run(capsys, "list")[1]
    assert " dead " in next(line for line in run(capsys, "list", "--all")[1].splitlines() if " gone " in line)


def test_the_command_line_starts_no_session(run_cli):
    done = run_cli("list")
    assert done.returncode == 0 and "tally" not in done.stdout
    assert [path.parent.name for path in base_dir().glob("*/driver")] == [jactors.session.current().id]


@pytest.fixture
def run_cli(session, environment):
    """Run it as a program: `jupyter actors`, where this environment has it, else the module."""

    def run_cli(*arguments, **options):
        command = [sys.executable, "-m", "jactors", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
        )

    return run_cli


# ---------------------------------------------------------------- kill


def test_kill_ends_an_actor_of_another_session_and_frees_its_name(session, keeper, capsys):
    pid = keeper.__ray_call__(lambda self: os.getpid())
    assert run(capsys, "kill", "elsewhere/keeper") == (0, "Keeper keeper: killed\n", "")
    assert gone(pid) == []
    assert run(capsys, "kill", "keeper")[0] == 1
    with pytest.raises(jactors.exceptions.ActorDiedError, match="jupyter actors kill"):
        keeper.say("anything")


def test_kill_restart_lets_it_begin_anew(session, counter, capsys):
    pid = counter.pid()
    assert run(capsys, "kill", "--restart", "tally") == (0, "Counter tally: restarted\n", "")
    assert counter.pid() != pid and counter.add() == 1


def test_an_actor_is_found_by_its_id_and_never_guessed(session, counter, capsys):
    other = Counter.options(name="tally", namespace="another").remote()
    other.add()
    code, _, err = run(capsys, "kill", "tally")
    assert code == 1 and "several" in err and "another/tally" in err
    assert run(capsys, "kill", other._actor_id.hex()[:10])[0] == 0
    assert counter.add() == 2
    code, _, err = run(capsys, "kill", "tali")
    assert code == 1 and "did you mean 'tally'?" in err


# ---------------------------------------------------------------- logs


def test_logs_shows_what_it_has_printed(session, keeper, capfd):
    keeper.say("second line")
    capfd.readouterr()
    assert run(capfd, "logs", "keeper")[1] == "first line\nsecond line\n"
    assert run(capfd, "logs", "-n", "1", "keeper")[1] == "second line\n"


def test_logs_follows_until_the_actor_ends(session, environment):
    counter = Counter.options(name="talker").remote()
    counter.say("before")
    command = [sys.executable, "-u", "-m", "jactors", "logs", "-f", "talker"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout.readline() == "before\n"
        counter.say("while somebody reads")
        assert logs.stdout.readline() == "while somebody reads\n"
        jactors.kill(counter)
        assert logs.stdout.read() == ""
    assert logs.returncode == 0


# ---------------------------------------------------------------- attach


class Console:
    """A console on a terminal of its own, and what it has shown there."""

    def __init__(self, environment):
        self._terminal, theirs = pty.openpty()
        command = [sys.executable, "-m", "jactors", "attach", "tally"]
        self._process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**environment, "TERM": "xterm"},
        )
        os.close(theirs)
        self.shown = ""

    def until(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._terminal], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self._terminal, 1 << 16).decode(errors="replace")
                except OSError:  # it has gone
                    assert text in self.shown, self.shown

    def type(self, keys):
        os.write(self._terminal, keys)

    def wait(self):
        code = self._process.wait(PATIENCE)
        os.close(self._terminal)
        return code


def test_leaving_a_console_leaves_the_actor_alive(session, counter, environment, launcher):
    if launcher == "spawn":
        pytest.skip("jupyter_client's console application does not pass on a connection file's CurveZMQ keys")
    pytest.importorskip("jupyter_console")
    pid = counter.pid()
    leaves, closes = Console(environment), Console(environment)  # at once: each takes its time to start
    for console in (leaves, closes):
        console.until("In [")
    leaves.type(b"self.n = 6 + 1; print('n is', self.n)\r")
    leaves.until("n is 7")
    leaves.type(b"exit\r")
    closes.type(b"\x04")
    closes.until("exit")
    closes.type(b"y\r")
    for console in (leaves, closes):
        console.until("keeping kernel alive")
        assert console.wait() == 0
    assert (counter.pid(), counter.add()) == (pid, 8)


# ---------------------------------------------------------------- sweep


def test_sweep_removes_what_a_killed_session_has_left_and_says_so(session, start, capsys):
    driver = start(ELSEWHERE.replace("detached", "non_detached") + "import os\nprint(os.getpid(), flush=True)\ninput()")
    while (line := driver.stdout.readline()).startswith("("):  # what the actor prints
        pass
    assert line, driver.stderr.read()
    (folder,) = [path for path in base_dir().glob("*/driver") if path.parent.name != session["address"]]
    dead, pid = folder.parent, json.loads((folder.parent / "supervisor").read_text())["pid"]
    assert run(capsys, "sweep") == (0, "nothing to sweep\n", "")  # it lives
    os.kill(driver.pid, 19)  # so that it cannot clear up itself
    os.kill(pid, 9)
    os.kill(driver.pid, 9)
    driver.wait()
    assert gone(pid) == []
    code, out, _ = run(capsys, "sweep")
    assert code == 0 and f"removed the files of session {dead.name}" in out
    assert "removed the name 'keeper' of namespace 'elsewhere'" in out
    assert not dead.exists()


def test_a_session_that_does_not_answer_holds_nothing_up(session, start, capsys, monkeypatch):
    driver = start(ELSEWHERE + "print('up', flush=True)\ninput()")
    while (line := driver.stdout.readline()).startswith("("):
        pass
    assert line == "up\n", driver.stderr.read()
    other = next(path for path in base_dir().glob("*/supervisor") if path.parent.name != session["address"])
    pid = json.loads(other.read_text())["pid"]
    from jactors.life import survey

    asked = survey.ask
    monkeypatch.setattr(survey, "ask", lambda *a, **k: asked(*a, **{**k, "timeout": 0.2}))
    os.kill(pid, 19)
    try:
        assert f"session {other.parent.name}: " in run(capsys, "list")[1]
    finally:
        os.kill(pid, 18)
    jactors.kill(jactors.get_actor("keeper", "elsewhere"))
    driver.stdin.close()
    driver.wait(PATIENCE)


def test_help_names_every_command(capsys):
    for command, words in ((main, ("list", "attach", "logs", "kill", "sweep", "demo")), (actors, ("list", "sweep"))):
        with pytest.raises(SystemExit) as left:
            command(["--help"])
        out = capsys.readouterr().out
        assert left.value.code == 0 and all(word in out for word in words)
