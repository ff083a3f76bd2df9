"""``%load_ext jactors`` and ``%actor`` in a real notebook kernel."""

from __future__ import annotations

import re

from tests.live.conftest import texts

ACTORS = """
    %load_ext jactors
    import os
    @jactors.remote
    class Counter:
        def __init__(self): self.n = 0
        def add(self): self.n += 1; return os.getpid()
        def leave(self): os._exit(3)
"""


def table(outputs):
    """Rows of the one table that a cell shows, by actor name, and its HTML."""
    (shown,) = [output for output in outputs if output.output_type == "display_data"]
    lines = shown.data["text/plain"].splitlines()
    rows = [re.split(r" {2,}", line) for line in lines]
    return {row[2]: dict(zip(rows[0], row, strict=False)) for row in rows[2:] if len(row) > 2}, shown.data["text/html"]


def test_the_list_is_what_runs(notebook):
    outputs = notebook(
        ACTORS,
        """
        one, two = (Counter.options(name=name, num_cpus=2).remote() for name in ("one", "two"))
        three = Counter.options(name="three", num_cpus=1).remote()
        print(one.add(), two.add())
        """,
        "%actor list",
    )
    pids = texts(outputs[1]).split()
    rows, html = table(outputs[2])
    assert [rows[name]["pid"] for name in ("one", "two")] == pids
    assert {rows[name]["state"] for name in ("one", "two")} == {"alive"}
    assert rows["three"]["state"] == "pending"
    assert "0 of 4 free; held by Counter 'one' (2), Counter 'two' (2)" in rows["three"]["note"]
    assert all(pid in html for pid in pids)
    notebook("for counter in (one, two, three): jactors.kill(counter)")


def test_the_dead_are_there_on_request_and_a_table_in_the_middle_of_a_cell_is_shown(notebook):
    _, outputs = notebook(
        ACTORS,
        """
        lost = Counter.options(name="lost").remote()
        try:
            lost.leave()
        except jactors.exceptions.RayActorError:
            pass
        %actor --all
        print("after")
        """,
    )
    rows, _ = table(outputs)
    assert (rows["lost"]["state"], rows["lost"]["note"]) == ("dead", "exit code 3")
    assert texts(outputs) == "after\n"


def test_an_actor_lists_its_session_too(notebook):
    _, outputs = notebook(
        ACTORS,
        """
        def look(counter):
            from jactors.notebook import magics
            return repr(magics.execute("list"))
        seer = Counter.options(name="seer").remote()
        print(jactors.get(seer.__ray_call__.remote(look)))
        """,
    )
    assert re.search(r"Counter +seer +alive", texts(outputs))


def test_a_typo_is_one_red_line_without_traceback(notebook):
    (outputs,) = notebook("%load_ext jactors\n%actor lits")
    assert (
        texts(outputs, "stderr").strip().splitlines()[-1].startswith("UsageError: %actor has no subcommand 'lits'; did")
    )
    assert [output.output_type for output in outputs if output.output_type == "error"] == []
