"""The table of actors, from what a supervisor says; and how ``%actor`` reads its line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from jactors import session
from jactors.notebook import command, magics
from jactors.notebook.commands import gather
from jactors.notebook.reprs import ActorRow, ActorTable


def told(actor_id="3fa2c1d0" + "0" * 24, **said):
    """What `Actor.describe` says of a living Counter; `said` instead."""
    return {
        "event": "state",
        "actor_id": actor_id,
        "class_name": "Counter",
        "name": None,
        "namespace": "ns",
        "state": "ALIVE",
        "incarnation": 1,
        "restarts": 0,
        "max_restarts": 0,
        "pid": 4711,
        "cores": [],
        "gpus": [],
        "reason": "",
        "demand": {},
        "connection_file": "kernel.json",
        "log_file": "actor.log",
        "owner": None,
        **said,
    }


def dead(**said):
    ends = {"exitcode": None, "signal": None, "killed": None, "intent": None, "failure": None, "last_output": ""}
    return told(**{"state": "DEAD", **ends, **said})


WAITING = told(
    "5e870970" + "0" * 24,
    class_name="Model",
    name="big <one>",
    state="PENDING_CREATION",
    pid=None,
    incarnation=0,
    reason="waits for 1 GPU: 0 of 1 free; held by Counter 3fa2c1d0 (1)",
)


def test_the_plain_text_is_an_aligned_table():
    table = ActorTable([told(cores=[0, 1, 2, 5], gpus=["0"], name="tally", restarts=1, max_restarts=3), WAITING])
    assert repr(table).splitlines() == [
        "actor     class    name       state    pid   restarts  cores  GPUs  note",
        "--------  -------  ---------  -------  ----  --------  -----  ----  ----",
        "3fa2c1d0  Counter  tally      alive    4711  1 of 3    0-2,5  0",
        f"5e870970  Model    big <one>  pending  -     0         -      -     {WAITING['reason']}",
    ]


def test_without_notes_there_is_no_column_for_them():
    assert repr(ActorTable([told()])).splitlines()[0].split()[-1] == "GPUs"
    assert "note" not in ActorTable([told()])._repr_html_()


def test_the_html_says_the_same_and_escapes_names():
    html = ActorTable([told(gpus=["0", "1"]), WAITING])._repr_html_()
    for text in ("<code>3fa2c1d0</code>", "4711", "0,1", "alive", "pending", "big &lt;one&gt;", WAITING["reason"]):
        assert text in html
    assert html.count("<tr>") == 3


def test_the_dead_are_counted_or_shown():
    told_of_three = [told(), dead(exitcode=3), dead(signal=9)]
    few, all_of_them = ActorTable(told_of_three), ActorTable(told_of_three, dead=True)
    assert [row.state for row in few.rows] == ["alive"]
    assert repr(few).splitlines()[-1] == "2 dead, not shown: %actor list --all"
    assert "2 dead" in few._repr_html_()
    assert [row.note for row in all_of_them.rows] == ["", "exit code 3", "killed by SIGKILL"]


def test_no_rows_no_table():
    assert repr(ActorTable([])) == "no actors"
    assert repr(ActorTable([dead()])) == "no living actors (1 dead, not shown: %actor list --all)"
    assert "<table>" not in ActorTable([])._repr_html_()


@pytest.mark.parametrize(
    ("said", "state", "note"),
    [
        ({"state": "STARTING"}, "starting", ""),
        ({"state": "RESTARTING", "signal": 11, "max_restarts": -1}, "restarting", "killed by SIGSEGV"),
        (
            {"state": "DEAD", "exitcode": 0, "intent": "exit_actor"},
            "dead",
            "exit_actor() is called",
        ),
        ({"state": "DEAD", "signal": 9, "killed": "`jactors.kill`"}, "dead", "it was killed by `jactors.kill`"),
        (
            {"state": "DEAD", "exitcode": 1, "failure": "00"},
            "dead",
            "its __init__ raised: any call shows the traceback",
        ),
        ({"state": "ALIVE", "stopped": True, "reason": "is stopped"}, "stopped", "is stopped"),
        ({"state": "DEAD"}, "dead", "unknown"),
        ({"state": "SOMETHING_NEW"}, "something_new", ""),
    ],
)
def test_states_and_notes(said, state, note):
    row = ActorRow.of(told(**said))
    assert (row.state, row.note) == (state, note)


def test_what_is_not_held_is_not_shown():
    assert ActorRow.of(told()).cores == "any"
    gone = ActorRow.of(dead(cores=[0], gpus=["0"]))  # the supervisor still knows what it had
    assert (gone.cores, gone.gpus) == ("-", "-")
    assert ActorRow.of(told(max_restarts=-1, restarts=7)).restarts == "7 of any"
    assert ActorRow.of(told(restarts=0, asked=2)).restarts == "0, 2 asked"


# ---------------------------------------------------------------- the line


def test_no_session_is_no_error_and_starts_none(capsys):
    assert magics.execute("") is None
    assert capsys.readouterr().out.startswith("no session: ")
    assert magics.execute("list --all") is None
    assert not session.is_initialized()


@pytest.mark.parametrize(
    ("line", "fragments"),
    [
        ("lits", ["'lits'", "did you mean %actor list?"]),
        ("frobnicate", ["'frobnicate'", "there are: list", "%actor --help"]),
        ("list --al", ["--al", "usage: %actor list"]),
        ("--nope", ["--nope", "usage: %actor list"]),
        ("list 'open", ["No closing quotation", "list 'open"]),
    ],
)
def test_a_wrong_line_says_what_is_right(line, fragments):
    with pytest.raises(UsageError) as caught:
        magics.execute(line)
    assert [fragment for fragment in fragments if fragment not in str(caught.value)] == []


@pytest.mark.parametrize("line", ["--help", "-h", "help"])
def test_help_names_all_subcommands(line, capsys):
    assert magics.execute(line) is None
    shown = capsys.readouterr().out
    assert all(
        re.search(rf"^  {name} +{re.escape(each.summary)}$", shown, re.MULTILINE)
        for name, each in magics.COMMANDS.items()
    )


def test_help_of_a_subcommand(capsys):
    assert magics.execute("list --help") is None
    assert "--all" in capsys.readouterr().out


def test_a_new_subcommand_is_a_function(monkeypatch, capsys):
    monkeypatch.setattr(command, "COMMANDS", {})
    monkeypatch.setattr(magics, "COMMANDS", command.COMMANDS)

    @command.command(("handle", {"help": "which one"}), ("--times", {"type": int, "default": 1}))
    def poke(chosen):
        """Poke an actor."""
        return chosen.handle * chosen.times

    assert magics.execute("poke tally --times 2") == "tallytally"
    print(command.overview("list"))
    assert "poke  Poke an actor." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("kill a  b", ["kill", "a", "b"]),
        ("new Counter(10, name='a b') --name c", ["new", "Counter(10, name='a b')", "--name", "c"]),
        ("new A({'x': [1, 2]}, ')') --name 'a b'", ["new", "A({'x': [1, 2]}, ')')", "--name", "a b"]),
        (r"new A('it\'s, (') -x", ["new", r"A('it\'s, (')", "-x"]),
        ("kill workers[0]", ["kill", "workers[0]"]),
        ("", []),
    ],
)
def test_expressions_stay_whole(line, words):
    assert command.split(line) == words


@pytest.mark.parametrize("line", ["new Counter(10", "kill 'a", "new A([1)"])
def test_what_is_open_is_said(line):
    with pytest.raises(UsageError, match=r"bracket is not closed|No closing quotation"):
        magics.execute(line)


def test_every_subcommand_has_help_that_says_something(capsys):
    gather()
    for name, each in magics.COMMANDS.items():
        assert magics.execute(f"{name} --help") is None
        shown = capsys.readouterr().out
        assert f"usage: %actor {name}" in shown
        assert each.summary.endswith(".")
        silent = [action.dest for action in each.parser._actions if not action.help]
        assert silent == [], name


def test_the_extension_imports_no_widgets():
    code = "import sys, jactors.notebook.magics; print({'ipywidgets', 'anywidget'} & {*sys.modules})"
    root = Path(magics.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "set()\n"
