"""``%%actor``: cells that run in actors, in a real notebook kernel with a client that can type, stop and press Tab."""

from __future__ import annotations

import time

import pytest

from tests.live.conftest import texts, until_exists
from tests.live.page import PATIENCE, failed, printed, shown, until_printed

SETUP = """
    %load_ext jactors
    @jactors.remote
    class Counter:
        def __init__(self, n=0):
            self.n = n
            self.numbers = [1, 2, 3]
        def add(self):
            self.n += 1
            return self.n
        def wait(self, begun, gate):
            import os, time
            open(begun, "w").close()
            while not os.path.exists(gate):
                time.sleep(0.005)
            return self.n
    one = Counter.options(name="one").remote(1)
    two = Counter.options(name="two").remote(2)
    print(jactors.get([one.add.remote(), two.add.remote()]))
"""


@pytest.fixture(scope="module", autouse=True)
def ready(page):
    """The actors are there."""
    assert printed(page.run(SETUP)) == "[2, 3]\n"


def test_self_is_the_actor_and_what_it_shows_is_in_our_cell(page):
    outputs = page.run(
        """
        %%actor one
        import sys, warnings
        print("n is", self.n)
        print("and on stderr", file=sys.stderr)
        warnings.warn("careful")
        self.n += 10
        self.n
        """
    )
    assert printed(outputs) == "n is 2\n"
    assert "and on stderr\n" in printed(outputs, "stderr") and "careful" in printed(outputs, "stderr")
    assert shown(outputs) == [{"text/plain": "12"}]
    assert printed(page.run("print(one.add())")) == "13\n"


def test_await_magics_and_commands(page):
    outputs = page.run(
        """
        %%actor one
        import asyncio
        await asyncio.sleep(0.001)
        %who_ls str
        !echo from a shell
        """
    )
    assert "from a shell" in printed(outputs)


def test_a_plot_is_ours(page):
    outputs = page.run(
        """
        %%actor one
        %matplotlib inline
        import matplotlib.pyplot as plt
        plt.plot([1, 2, 3]);
        """
    )
    assert [data["image/png"][:11] for data in shown(outputs) if "image/png" in data] == ["iVBORw0KGgo"]


def test_display_is_updated_and_cleared(page):
    outputs = page.run(
        """
        %%actor one
        from IPython.display import clear_output, display
        handle = display("first", display_id="d1")
        handle.update("second")
        clear_output()
        """
    )
    assert [kind for kind, _ in outputs] == ["display_data", "update_display_data", "clear_output"]


def test_a_widget_in_the_actor_is_seen_here_and_hears_of_the_page(page, tmp_path):
    heard = tmp_path / "heard"
    outputs = page.run(
        f"""
        %%actor one
        import ipywidgets
        slider = ipywidgets.IntSlider()
        slider.observe(lambda change: open({str(heard)!r}, "w").write(str(change.new)), "value")
        slider
        """
    )
    (data,) = shown(outputs)
    model = data["application/vnd.jupyter.widget-view+json"]["model_id"]
    opened = [content["comm_id"] for kind, content in outputs if kind == "comm_open"]
    assert model in opened
    known = page.ask(page.client.comm_info())["comms"]
    assert set(opened) <= set(known)
    # While a method runs, so that it is the actor's main thread that is behind in hearing, not its mailbox.
    content = {"comm_id": model, "data": {"method": "update", "state": {"value": 42}, "buffer_paths": []}}
    page.client.shell_channel.send(page.client.session.msg("comm_msg", content))
    until_exists(heard)
    outputs = page.run("%%actor one\nslider.value")
    assert shown(outputs) == [{"text/plain": "42"}]
    page.run("%%actor one\nslider.close()")
    assert model not in page.ask(page.client.comm_info())["comms"]


def test_comms_of_a_dead_actor_are_closed(page):
    outputs = page.run(
        """
        three = Counter.options(name="three").remote()
        def bar(self):
            from tqdm.auto import tqdm
            for _ in tqdm(range(3)):
                pass
        jactors.get(three.__ray_call__.remote(bar))
        """
    )
    opened = {content["comm_id"] for kind, content in outputs if kind == "comm_open"}
    moved = [content for kind, content in outputs if kind == "comm_msg"]
    assert opened and {"value": 3.0} in [content["data"]["state"] for content in moved]
    page.run(
        "jactors.kill(three)\nimport time\nwhile 'three' in repr(jactors.util.list_named_actors()): time.sleep(0.01)"
    )
    deadline = time.monotonic() + PATIENCE
    while opened & set(page.ask(page.client.comm_info())["comms"]):
        assert time.monotonic() < deadline


def test_several_run_at_once_and_are_grouped(page, tmp_path):
    # Each waits for the other: one after the other they would never end.
    outputs = page.run(
        f"""
        %%actor one two
        import os, pathlib, time
        me = jactors_name = __import__("jactors").get_runtime_context().get_actor_name()
        folder = pathlib.Path({str(tmp_path)!r})
        for i in range(3):
            (folder / f"{{me}} {{i}}").touch()
            while len(list(folder.glob(f"* {{i}}"))) < 2:
                time.sleep(0.001)
            print(me, i)
        me
        """
    )
    text = printed(outputs)
    assert text == "── one ──\none 0\none 1\none 2\n── two ──\ntwo 0\ntwo 1\ntwo 2\n"
    assert shown(outputs) == [{"text/plain": "'one'"}, {"text/plain": "'two'"}]


def test_the_last_value_comes_back(page):
    outputs = page.run("%%actor --out numbers one\nimport numpy\nnumpy.arange(3) + len(self.numbers)")
    assert printed(page.run("print(type(numbers).__name__, numbers)")) == "ndarray [3 4 5]\n"
    page.run("%%actor one two --out both\nlen(self.numbers)")
    assert printed(page.run("print(both)")) == "{'one': 3, 'two': 3}\n"
    outputs = page.run("%%actor one --out lock\nimport threading\nthreading.Lock()")
    assert "lock" in failed(outputs)["evalue"]


def test_an_error_shows_the_actors_traceback_and_nothing_of_ours(page):
    outputs = page.run("%%actor one\nx = 1\n{}['key']")
    error = failed(outputs)
    assert error["evalue"] == "KeyError in one: 'key'"
    text = "\n".join(error["traceback"])
    assert (
        "KeyError" in text and "{}[" in text.replace("\x1b[39m", "").replace("\x1b[33m", "") and "jactors" not in text
    )


def test_of_several_those_that_failed_are_named(page):
    outputs = page.run("%%actor one two\nassert self.n < 10, 'too many'\n'fine'")
    first, last = [content for kind, content in outputs if kind == "error"]
    assert (first["ename"], first["evalue"]) == ("AssertionError", "too many")
    assert last["traceback"] == ["CellError in 1 of 2 actors:", "  one: AssertionError: too many"]
    assert shown(outputs) == [{"text/plain": "'fine'"}]


def test_it_asks_here(page):
    outputs = page.run("%%actor one\nname = input('who? ')\nprint('hello', name)", "Ada")
    assert [content["prompt"] for kind, content in outputs if kind == "asked"] == ["who? "]
    assert printed(outputs) == "hello Ada\n"


def test_tab_and_shift_tab_know_the_methods_of_a_handle(page):
    told = page.ask(page.client.complete("one.wa", 6))
    assert "wait" in str(told["matches"])
    for code in ("one.wait", "one.wait.remote", "jactors.get_actor('one').wait.remote"):
        page.run(f"method = {code}")
        shown = page.ask(page.client.inspect("method", 6))["data"]["text/plain"]
        assert "begun, gate" in shown, shown


@pytest.fixture(scope="module")
def curious(page):
    """The page has an actor, `curious`, whose method asks."""
    page.run(
        """
        import asyncio
        class Curious:
            def ask(self, what): return input(f"{what}? ")
        curious = jactors.remote(Curious).options(name="curious").remote()
        """
    )


@pytest.mark.usefixtures("curious")
def test_what_others_ask_that_it_calls_is_asked_here_as_well(page):
    cells = (
        "await curious.ask.remote('awaited')",
        "await asyncio.gather(curious.ask.remote('awaited'))",
        "%%actor one\njactors.get_actor('curious').ask('in an actor')",
        "%%actor one\nawait jactors.get_actor('curious').ask.remote('awaited there')",
        "%%actor one --now\njactors.get_actor('curious').ask('a look')",
    )
    page.run("%%actor one\nimport jactors")
    for code in cells:
        outputs = page.run(code, "Ada")
        assert [content["prompt"] for kind, content in outputs if kind == "asked"], code
        assert "Ada" in str(shown(outputs)), code


@pytest.mark.usefixtures("curious")
def test_the_stop_button_on_a_question_stops_what_asks(page):
    for code in ("await curious.ask.remote('stop me')", "curious.ask('stop me')"):
        cell = page.begin(code)
        page.client.get_stdin_msg(timeout=PATIENCE)
        page.manager.interrupt_kernel()
        outputs = page.end(cell)
        assert failed(outputs)["ename"] in ("TaskCancelledError", "KeyboardInterrupt")
        said = failed(outputs)["evalue"] + printed(outputs, "stderr")
        assert "interrupted Curious.ask" in said or "Curious.ask was interrupted" in said  # whoever is first says so
    assert printed(page.run("print(curious.ask('still there'))", "yes")) == "yes\n"


def test_where_nobody_can_be_asked_it_says_so(notebook):
    outputs = notebook(
        """
        %load_ext jactors
        class Mute:
            def ask(self): return input("who? ")
            def ask_other(self, other): return other.ask()
        mute, other = jactors.remote(Mute).options(name="mute").remote(), jactors.remote(Mute).remote()
        """,
        "%%actor mute\ninput('who? ')",
        "mute.ask()",
        "await mute.ask_other.remote(other)",
    )
    for (output,) in outputs[1:]:
        assert "this frontend does not support input requests" in output.evalue
        assert "StdinNotImplementedError" in output.ename + output.evalue
    notebook("jactors.kill(mute), jactors.kill(other)")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("%%actor one --out 1x\n1", "%%actor --out: '1x' is no name of a variable"),
        ("%%actor gone\n1", "ActorDiedError: Counter"),
        ("%actor new Counter(1) --num-cpus 1000", "InsufficientResourcesError: asked for 1000 CPU"),
    ],
)
def test_what_goes_wrong_is_told_without_our_frames(page, code, line):
    page.run("gone = Counter.remote(); jactors.kill(gone)")
    outputs = page.run(code)
    told = printed(outputs, "stderr") or "\n".join(failed(outputs)["traceback"])
    assert told.startswith((line, f"UsageError: {line}")) and "File " not in told, told


def test_it_falls_into_line_and_a_look_does_not(page, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    page.run(f"ref = one.wait.remote({str(begun)!r}, {str(gate)!r})\nlater = one.add.remote()")
    until_exists(begun)
    outputs = page.run("%%actor --now one\nprint('n is', self.n)\nself.numbers")
    before = int(printed(outputs).split()[-1])
    assert shown(outputs) == [{"text/plain": "[1, 2, 3]"}]
    assert "for reading only" in printed(outputs, "stderr")
    assert failed(page.run("%%actor --now one\n1/0"))["evalue"] == "ZeroDivisionError in one: division by zero"
    slow = failed(page.run("%%actor --now --timeout 0.7 one\nwhile True: pass"))
    assert "it took longer than" in slow["evalue"]
    cell = page.begin("%%actor one\nself.n")
    gate.touch()
    assert shown(page.end(cell)) == [{"text/plain": str(before + 1)}]


def test_completion_and_inspection_come_from_the_actor_also_while_it_is_busy(page, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    page.run(f"ref = one.wait.remote({str(begun)!r}, {str(gate)!r})")
    until_exists(begun)
    code = "%%actor one\nself.numb"
    found = page.ask(page.client.complete(code))
    assert found["matches"] == ["numbers"]
    assert code[found["cursor_start"] : found["cursor_end"]] == "numb"
    found = page.ask(page.client.inspect("%%actor one\nself.wait", 18))
    assert found["found"] and "begun" in found["data"]["text/plain"]
    gate.touch()
    assert page.ask(page.client.complete("%actor li"))["matches"] == ["list"]
    assert {"one", "two"} <= set(page.ask(page.client.complete("%%actor "))["matches"])


def test_stop_ends_the_cell_where_it_runs_and_the_state_is_kept(page, tmp_path):
    begun = tmp_path / "begun"
    cell = page.begin(
        f"%%actor one\nself.n = -1\nopen({str(begun)!r}, 'w').close()\nimport time\nwhile True: time.sleep(1)"
    )
    until_exists(begun)
    page.manager.interrupt_kernel()
    assert failed(page.end(cell))["traceback"] == ["KeyboardInterrupt: the cell was interrupted in one; state is kept"]
    assert printed(page.run("print(one.add())")) == "0\n"


def test_stop_withdraws_a_cell_that_waits_and_leaves_alone_what_runs(page, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    page.run(f"ref = one.wait.remote({str(begun)!r}, {str(gate)!r})")
    until_exists(begun)
    cell = page.begin("print('here we go', flush=True)\nget_ipython().run_cell_magic('actor', 'one', 'self.n = -99')")
    until_printed(page, "here we go")
    page.manager.interrupt_kernel()
    while (message := page.client.get_iopub_msg(timeout=PATIENCE))["msg_type"] != "error":
        pass
    page.ask(cell)
    assert "withdrawn" in message["content"]["evalue"] or message["content"]["ename"] == "KeyboardInterrupt"
    gate.touch()
    assert printed(page.run("print(jactors.get(ref) != -99, one.add() != -98)")) == "True True\n"


def test_an_actor_that_ends_under_the_cell_says_how(page):
    page.run("four = Counter.options(name='four').remote()")
    assert "exit code 3" in failed(page.run("%%actor four\nimport os; os._exit(3)"))["evalue"]
    assert "exit code 3" in failed(page.run("%%actor four\n1"))["evalue"]


def test_an_unknown_actor_is_one_line_that_names_the_nearest(page):
    outputs = page.run("%%actor onne\n1")
    assert printed(outputs, "stderr").startswith("UsageError: no actor 'onne'; did you mean one?")
    assert "usage: %%actor" in printed(page.run("%%actor --help\n1"))


def test_what_single_calls_print_is_kept_and_a_flood_is_not_shown_whole(page):
    outputs = page.run(
        """
        def talk(self, what):
            import sys
            print(what)
            print("err", what, file=sys.stderr)
        refs = [one.__ray_call__.remote(talk, i) for i in range(3)]
        jactors.get(refs)
        print([(ref.stdout, ref.stderr) for ref in refs])
        """
    )
    assert printed(outputs).endswith("[('0\\n', 'err 0\\n'), ('1\\n', 'err 1\\n'), ('2\\n', 'err 2\\n')]\n")
    outputs = page.run(
        """
        def flood(self):
            for i in range(300):
                print("x" * 9999)
            print("the end")
        ref = one.__ray_call__.remote(flood)
        jactors.get(ref)
        print(ref.stdout.endswith("x\\nthe end\\n"), len(ref.stdout))
        """
    )
    text = printed(outputs)
    assert 1_000_000 < len(text) < 1_100_000
    assert "lines (2.0 MB) left out here; all text is in its log: %actor logs" in text
    assert text.endswith("the end\nTrue 65536\n")


def test_cells_of_two_notebooks_stay_apart(page, notebook):
    page.run("%%actor two\ntheirs = 'theirs'\nprint('a')")
    _, outputs = notebook(
        "%load_ext jactors\nnobody = 1",
        "try:\n    get_ipython().run_cell_magic('actor', 'two', '1')\nexcept Exception as error:\n    print(error)",
    )
    assert "no actor 'two'" in texts(outputs)
