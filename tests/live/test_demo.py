"""The main job: ``jactors demo`` as the README starts it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import jactors


@pytest.fixture(scope="module")
def command_line(environment, tmp_path_factory):
    def command_line(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "jactors", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path_factory.getbasetemp(),
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return command_line


@pytest.fixture(scope="module")
def demo(command_line):
    """What one demonstration has ended in: exit code, output, errors."""
    return command_line("demo")


def test_the_demo_shows_what_it_promises(demo):
    code, out, err = demo
    assert (code, err) == (0, ""), out
    for promise in (
        r"Counter, num_cpus=1 +\d+ +\d+ +'' +1\n",  # a core of its own, no GPU, one thread
        r"Model 0, num_gpus=1 +\d+ +\S+ +'0' ",
        r"Model 1, num_gpus=1 +\d+ +\S+ +'1' ",
        r"A third Model is pending: it waits for 1 GPU: 0 of 2 free; held by Model \w+ \(1\), Model \w+ \(1\)",
        r"\(Counter pid=\d+\) hello from process \d+: my count is 23\n",
        r"counter\.greet\(\) +'and this came back'",
        r"\| ZeroDivisionError: ",
        r"y = 3\.00 x \+ 2\.00",
        r"Counter \w+ 'victim' \(pid \d+\) died: killed by SIGKILL",
        r"init\(\) to the first actor and its first result +\d+ ms",
        r"calls in a row, then one get +[\d,]+ a second",
        r"the count is +5524\n",
        r"Done in [\d.]+ s\.",
    ):
        assert re.search(promise, out), (promise, out)


def test_each_actor_is_a_process_of_its_own(demo):
    _, out, _ = demo
    pids = re.findall(r"^  (?:this process|Counter,|Model \d).*?(\d{2,})  ", out, re.MULTILINE)
    assert len({*pids}) == len(pids) == 4, out


def test_the_version(command_line):
    assert command_line("--version") == (0, f"jactors {jactors.__version__}\n", "")


def test_an_unknown_command_names_those_there_are(command_line):
    code, _, err = command_line("dmeo")
    assert code == 2
    assert "invalid choice: 'dmeo' (choose from" in err
    assert "demo" in err.splitlines()[-1].partition("choose from")[2]


def test_where_a_session_runs_the_demo_declines(session, capsys):
    from jactors import demo

    assert demo.main() == 1
    assert "a process of its own" in capsys.readouterr().out
    assert jactors.is_initialized()
