"""``%actor reload`` and ``%actor autoreload`` in a real notebook kernel."""

from __future__ import annotations

from tests.live.conftest import texts

FIRST = """
    @jactors.remote
    class Tally:
        def __init__(self): self.n = 0
        def add(self): self.n += 1; return self.n
"""

SECOND = FIRST.replace("+= 1", "+= 100") + "        def half(self): return self.n / 2\n"


def test_the_cell_is_run_again_and_the_actor_reloaded(notebook):
    outputs = notebook(
        "%load_ext jactors",
        FIRST,
        "t = Tally.options(name='t').remote(); t.add()",
        SECOND,
        "%actor reload t",
        "print(t.add(), t.half())",
    )
    assert texts(outputs[4]) == "t: changed add; added half\n"
    assert texts(outputs[5]) == "101 50.5\n"
    notebook("jactors.kill(t)")


def test_autoreload(notebook):
    outputs = notebook(
        "%load_ext jactors",
        "%actor autoreload on",
        FIRST,
        "t = Tally.options(name='t').remote(); t.add()",
        "%actor autoreload",
        SECOND,
        "print(t.add(), t.half())",
        FIRST.replace("def add", "async def add"),
        "print(t.add())",
        "%actor autoreload off",
        FIRST,
        "print(t.add())",
    )
    assert texts(outputs[4]) == "autoreload of actors is on\n"
    assert texts(outputs[5]) == "t: changed add; added half\n"
    assert texts(outputs[6]) == "101 50.5\n"
    assert "t goes on with its old code: Tally is async now" in texts(outputs[7])
    assert texts(outputs[8]).splitlines()[0] == "201"
    assert texts(outputs[11]) == "301\n"
    notebook("jactors.kill(t)")


def test_autoreload_of_a_module_and_of_a_busy_actor(notebook, tmp_path):
    outputs = notebook(
        f"""
        %load_ext jactors
        %actor autoreload on
        import sys
        from jactors.notebook.commands import reloading
        reloading.PATIENCE = 0.2
        sys.path.insert(0, {str(tmp_path)!r})
        from pathlib import Path
        file = Path({str(tmp_path)!r}) / "jx_tools.py"
        file.write_text("def answer(): return 1")
        import jx_tools
        """,
        """
        @jactors.remote
        class Asker:
            def ask(self): return jx_tools.answer()
            def wait(self, path):
                while not Path(path).exists(): pass
                return jx_tools.answer()
        a = Asker.options(name="a").remote()
        print(a.ask())
        """,
        f"""
        go = {str(tmp_path)!r} + "/go"
        ref = a.wait.remote(go)
        file.write_text("def answer(): return 2")
        """,
        "Path(go).touch()",
        "print(jactors.get(ref) in (1, 2), a.ask())",
        "%actor autoreload off\njactors.kill(a)",
    )
    assert texts(outputs[1]) == "1\n"
    assert "a is busy: it takes its new code between two calls" in texts(outputs[3])
    assert texts(outputs[4]).splitlines() == ["True 2", "a: modules read again: jx_tools"]
