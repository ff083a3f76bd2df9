"""Output: under the cell that made the call, and as prefixed lines in a script; before the result, complete, once."""

from __future__ import annotations

import re

import pytest

from tests.live.conftest import texts


def lines(out):
    """Lines of a script's output with the pid left out."""
    return re.sub(r"pid=\d+", "pid=N", out).splitlines()


# ---------------------------------------------------------------- a plain script


def test_script_output_comes_prefixed_and_before_the_result(run):
    code, out, err = run(
        """
        import jactors, sys, os
        jactors.init(INIT)
        @jactors.remote
        class Counter:
            def __init__(self): print("in init")
            def say(self, *what, **kw): print(*what, **kw); return "result of " + str(what[0])
            def err(self): print("to stderr", file=sys.stderr); return "err done"
        @jactors.remote
        class Rank(Counter._class):
            def __repr__(self): return "Rank(7)"
        counter = Counter.remote()
        print(counter.say("one"))
        print(jactors.get(counter.say.remote("two")))
        print(jactors.get([counter.say.remote(i) for i in range(3)]))
        print(counter.say("a\\nb"))
        print(counter.err())
        print("end", file=sys.stderr)
        Rank.remote().say("its own repr")
        """
    )
    assert code == 0, err
    *shown, in_init, said = lines(out)
    assert shown == [
        "(Counter pid=N) in init",
        "(Counter pid=N) one",
        "result of one",
        "(Counter pid=N) two",
        "result of two",
        "(Counter pid=N) 0",
        "(Counter pid=N) 1",
        "(Counter pid=N) 2",
        "['result of 0', 'result of 1', 'result of 2']",
        "(Counter pid=N) a",
        "(Counter pid=N) b",
        "result of a\nb".splitlines()[0],
        "b",
        "err done",
    ]
    assert in_init in ("(Rank pid=N) in init", "(Rank(7) pid=N) in init")  # it has none yet; but when is it shown?
    assert said == "(Rank(7) pid=N) its own repr"
    assert lines(err) == ["(Counter pid=N) to stderr", "end"]


def test_script_shows_displays_and_warnings(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Shows:
            def show(self):
                from IPython.display import display
                display({"a": 1})
                return "shown"
            def warn(self):
                import warnings
                warnings.warn("careful")
                return "warned"
        shows = Shows.remote()
        print(shows.show())
        print(shows.warn())
        """
    )
    assert code == 0, err
    assert lines(out) == ["(Shows pid=N) {'a': 1}", "shown", "warned"]
    assert "careful" in err and err.startswith("(Shows pid=")


def test_script_output_of_threads_and_children(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Starts:
            def thread(self):
                import threading
                thread = threading.Thread(target=print, args=("from a thread",))
                thread.start(); thread.join()
                return "thread done"
            def system(self):
                import os
                os.system("echo from os.system")
                return "system done"
            def child(self):
                import subprocess
                subprocess.run(["sh", "-c", "echo from a child; echo and its stderr >&2"])
                return "child done"
            def fork(self):
                import multiprocessing
                process = multiprocessing.get_context("fork").Process(target=print, args=("from a fork",))
                process.start(); process.join()
                return "fork done"
            def last(self):
                return "last"
        starts = Starts.remote()
        for name in ("thread", "system", "child", "fork", "last"):
            print(getattr(starts, name)())
        """
    )
    assert code == 0, err
    shown = lines(out)
    for text in ("from a thread", "from os.system", "from a child", "from a fork"):
        assert shown.count(f"(Starts pid=N) {text}") == 1, shown
    assert "(Starts pid=N) and its stderr" in lines(err)
    assert shown.index("(Starts pid=N) from a thread") < shown.index("thread done")


def test_script_output_of_a_child_comes_before_the_result(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Starts:
            def system(self, i):
                import os
                os.system(f"echo {i}")
                return f"done {i}"
        starts = Starts.remote()
        for i in range(10):
            print(starts.system(i))
        """
    )
    assert code == 0, err
    assert lines(out) == [line for i in range(10) for line in (f"(Starts pid=N) {i}", f"done {i}")]


def test_script_lines_without_an_end(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Parts:
            def part(self, text): print(text, end="", flush=True); return 1
        a = Parts.remote()
        a.part("one "), a.part("line\\n"), a.part("left open")
        """
    )
    assert code == 0, err
    assert lines(out) == ["(Parts pid=N) one line", "(Parts pid=N) left open"]


def test_script_prints_much_and_loses_nothing(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Loud:
            def loud(self, n):
                for i in range(n): print(i)
                return n
        print(Loud.remote().loud(5000))
        """
    )
    assert code == 0, err
    assert lines(out) == [f"(Loud pid=N) {i}" for i in range(5000)] + ["5000"]


def test_script_output_of_nested_actors_comes_once(run):
    code, out, err = run(
        """
        import jactors
        jactors.init(INIT)
        @jactors.remote
        class Inner:
            def __init__(self): print("inner init")
            def say(self): print("inner says"); return 1
        @jactors.remote
        class Outer:
            def __init__(self): self.inner = Inner.remote()
            def say(self): print("outer says"); return self.inner.say() + 1
            def give(self): return self.inner
        outer = Outer.remote()
        print(outer.say())
        inner = outer.give()
        print(inner.say())
        print(outer.say())
        """
    )
    assert code == 0, err
    said = [line.partition(") ")[2] or line for line in lines(out)]
    said.remove("inner init")  # it may come at any moment before inner's first result
    assert said == ["outer says", "inner says", "2", "inner says", "1", "outer says", "inner says", "2"]
    assert all(line.startswith("(") for line in lines(out) if "says" in line)


def test_last_words_of_an_actor_are_shown(run):
    code, out, err = run(
        """
        import jactors, os
        jactors.init(INIT)
        @jactors.remote
        class Ends:
            def end(self): print("last words"); jactors.actor.exit_actor()
            def __ray_shutdown__(self): print("shutdown hook")
        try: Ends.remote().end()
        except jactors.exceptions.ActorDiedError: print("died")
        """
    )
    assert code == 0, err
    assert lines(out)[:2] == ["(Ends pid=N) last words", "(Ends pid=N) shutdown hook"] and "died" in lines(out)


# ---------------------------------------------------------------- a notebook

ACTORS = """
import jactors

@jactors.remote
class Says:
    def __init__(self):
        print("init of Says")
    def say(self, text):
        print(text)
        return text
    def err(self, text):
        import sys
        print(text, file=sys.stderr)
    def show(self):
        from IPython.display import HTML, display
        display(HTML("<b>bold</b>"))
        return 1
    def update(self):
        from IPython.display import display
        handle = display("first", display_id=True)
        handle.update("second")
    def warn(self):
        import warnings
        warnings.warn("careful")
    def later(self, path):
        import os, time
        print("before")
        while not os.path.exists(path): time.sleep(0.002)
        print("after")
    def thread(self):
        import threading
        thread = threading.Thread(target=print, args=("from a thread",))
        thread.start(); thread.join()
    def system(self):
        import os
        os.system("echo from os.system")

@jactors.remote
class Asks:
    def __init__(self): self.says = Says.remote()
    def ask(self, text):
        print("asks")
        return self.says.say(text)

says = Says.remote()
says.say("ready")
"""


@pytest.fixture(scope="module")
def cells(notebook):
    outputs = notebook(ACTORS)[0]
    assert [output.output_type for output in outputs if output.output_type == "error"] == [], outputs
    assert texts(outputs) == "init of Says\nready\n"
    return notebook


def test_cell_output_is_in_order_with_the_cells_own(cells):
    (outputs,) = cells('print("a"); says.say("b"); print("c"); jactors.get(says.say.remote("d")); print("e")')
    assert texts(outputs) == "a\nb\nc\nd\ne\n"
    assert len(outputs) == 1  # one stream, not pieces


def test_cell_result_and_output(cells):
    (outputs,) = cells('says.say("text")')
    assert [output.output_type for output in outputs] == ["stream", "execute_result"]
    assert outputs[1].data["text/plain"] == "'text'"


def test_each_cell_gets_its_own(cells):
    first, second, third = cells('says.say("one")', 'says.say("two")', 'print("three")')
    assert (texts(first), texts(second), texts(third)) == ("one\n", "two\n", "three\n")


def test_cell_stderr_and_warnings(cells):
    outputs, warned = cells('says.err("oh")', "says.warn()")
    assert texts(outputs, "stderr") == "oh\n" and texts(outputs) == ""
    assert "careful" in texts(warned, "stderr")


def test_cell_displays(cells):
    (outputs,) = cells('print("before"); says.show(); print("after")')
    kinds = [output.output_type for output in outputs]
    assert kinds == ["stream", "display_data", "stream"], outputs
    assert outputs[1].data["text/html"] == "<b>bold</b>"


def test_cell_display_is_updated(cells):
    (outputs,) = cells("says.update()")
    assert [output.output_type for output in outputs] == ["display_data"]
    assert outputs[0].data["text/plain"] == "'second'"


def test_cell_output_of_threads_and_children(cells):
    threads, system = cells("says.thread()", "says.system()")
    assert texts(threads) == "from a thread\n"
    assert texts(system) == "from os.system\n"


def test_cell_nested_actors_print_once(cells):
    made, asked, again = cells('asks = Asks.remote(); asks.ask("1")', 'asks.ask("hello")', "asks.says_is_not_here")
    assert texts(made).count("init of Says") == 1
    assert texts(asked) == "asks\nhello\n"
    assert again[0].output_type == "error" and again[0].ename == "AttributeError"


def test_output_of_a_call_stays_with_its_cell(cells, tmp_path):
    """A call that a first cell submitted prints under that cell, also while a second one runs."""
    gate = tmp_path / "gate"
    first, second = cells(
        f'ref = says.later.remote({str(gate)!r}); other = Says.remote(); other.say("mine")',
        f'open({str(gate)!r}, "w").close(); jactors.get(ref); print("second")',
    )
    assert texts(second) == "second\n"
    assert "mine" in texts(first) and "after" not in texts(second)


def test_cell_error_shows_the_users_line(cells):
    _, outputs = cells(
        """
        @jactors.remote
        class Fails:
            def fail(self):
                wrong = 1
                return wrong / 0  # the line
        fails = Fails.remote()
        """,
        "fails.fail()",
    )
    (error,) = outputs
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error.traceback))
    assert error.ename.endswith("(ZeroDivisionError)") and "return wrong / 0  # the line" in text
    assert "Cell In[" in text and "/jactors/" not in text and "ZeroDivisionError: division by zero" in text
