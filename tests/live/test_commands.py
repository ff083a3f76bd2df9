"""The subcommands of ``%actor``, as a user types them into a real notebook kernel."""

from __future__ import annotations

import re

import pytest

from tests.live.conftest import texts

SETUP = """
    %load_ext jactors
    import os
    @jactors.remote
    class Counter:
        def __init__(self, n=0, *, step=1):
            self.n, self.step = n, step
        def add(self):
            self.n += self.step
            print("now", self.n)
            return self.n
        def pid(self):
            return os.getpid()
        def wait(self, begun, gate):
            import time
            open(begun, "w").close()
            while not os.path.exists(gate):
                time.sleep(0.005)
            return self.n
        def crash(self):
            os._exit(7)
"""


@pytest.fixture(scope="module")
def cells(notebook):
    assert notebook(SETUP) == [[]]
    return notebook


def usage(outputs):
    """The one red line that a wrong command is answered with."""
    return texts(outputs, "stderr").strip().splitlines()[-1]


def test_new_makes_an_actor_and_keeps_it_in_a_variable(cells):
    shown, outputs, listed = cells(
        "%actor new Counter(10, step=5) --name tally --num-cpus 1 --max-restarts 3",
        "print(tally.add(), jactors.get_actor('tally') == tally)",
        "%actor list",
    )
    assert "Counter" in shown[0].data["text/plain"]
    assert texts(outputs) == "now 15\n15 True\n"
    assert re.search(r"Counter +tally +alive +\d+ +0 of 3", listed[0].data["text/plain"])
    cells("%actor new Counter --as plain", "print(plain.add())\n%actor kill plain tally")


@pytest.mark.parametrize(
    ("line", "fragments"),
    [
        ("new Countr(1)", ["name 'Countr' is not defined"]),
        ("new os", ["os is no class of actors, but module"]),
        ("new Counter(1, 2, 3)", ["positional"]),
        ("new Counter(1) --name os", ["the variable os holds a module already", "--as"]),
        ("new Counter(1) --num-cpus many", ["--num-cpus", "'many' is no number"]),
        ("new Counter(1) --detached", ["--name"]),
        ("new Counter(1 +)", ["no constructor call"]),
        ("kill", ["which one?"]),
        ("kill tallly", ["no actor 'tallly'", "did you mean known?"]),
        ("kill os", ["no actor 'os'", "the variable os holds a module"]),
        ("kill workers[0]", ["NameError"]),
        ("logs", ["the following arguments are required: ACTOR"]),
        ("output loud", ["loud", "inline"]),
    ],
)
def test_a_wrong_line_is_one_red_line_that_says_what_is_right(cells, line, fragments):
    if "did you mean" in str(fragments):
        line, fragments = line.replace("tallly", "knwn"), [f.replace("tallly", "knwn") for f in fragments]
        cells("%actor new Counter() --name known")
    (outputs,) = cells(f"%actor {line}")
    assert [fragment for fragment in fragments if fragment not in usage(outputs)] == []


def test_an_actor_is_named_by_variable_expression_name_or_id(cells):
    outputs = cells(
        """
        workers = [Counter.remote(i) for i in range(2)]
        named = Counter.options(name="by-name").remote()
        nameless = Counter.remote()
        ids = [nameless._actor_id.hex()[:10]]
        print(jactors.get([w.add.remote() for w in (*workers, nameless)]))
        """,
        "%actor interrupt workers[1] by-name nameless",
        "get_ipython().run_line_magic('actor', f'kill {ids[0]} by-name')",
        "%actor kill workers[0]",
        "%actor list",
    )
    assert texts(outputs[1]).splitlines() == ["interrupted workers[1]", "interrupted by-name", "interrupted nameless"]
    left = outputs[4][0].data["text/plain"]
    assert left.count("Counter ") == 2  # workers[1], and the known one of the test before
    (killed,) = cells("%actor kill --all")
    assert len(texts(killed).splitlines()) == 2


def test_restart_begins_anew_under_the_same_handle_whatever_max_restarts_says(cells):
    outputs = cells(
        "again = Counter.options(name='again').remote(1)\nold = again.pid()\nprint(again.add())",
        "%actor restart again",
        "print(again.add(), again.pid() != old)",
        "try: again.crash()\nexcept jactors.exceptions.RayActorError: pass",
        "%actor restart again",
    )
    assert texts(outputs[1]) == "restarted again\n"
    assert texts(outputs[2]).splitlines()[-1] == "2 True"
    assert "is dead, and its arguments are gone: %actor new" in usage(outputs[4])


def test_interrupt_ends_the_running_method_and_keeps_the_state(cells, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    _, outputs, after = cells(
        f"busy = Counter.remote(5)\nref = busy.wait.remote({str(begun)!r}, {str(gate)!r})",
        f"""
        import time
        while not os.path.exists({str(begun)!r}): time.sleep(0.005)
        %actor interrupt busy
        try: jactors.get(ref)
        except jactors.exceptions.TaskError as error: print(type(error.cause).__name__)
        """,
        "print(busy.add())\n%actor kill busy",
    )
    assert texts(outputs) == "interrupted busy\nKeyboardInterrupt\n"
    assert "now 6\n6\n" in texts(after)


def test_logs_are_there_also_of_the_dead(cells):
    outputs = cells(
        """
        chatty = Counter.options(name="chatty").remote()
        for _ in range(60): ref = chatty.add.remote()
        jactors.get(ref)
        %actor output quiet
        chatty.add()
        """,
        "%actor logs chatty",
        "%actor logs --lines 2 chatty",
        "try: chatty.crash()\nexcept jactors.exceptions.RayActorError: pass",
        "%actor logs --lines 0 --follow chatty",
        "%config ActorMagics.log_lines = 3\n%actor logs chatty\n%actor output inline",
    )
    assert texts(outputs[0]).splitlines()[-1] == "now 60"
    assert texts(outputs[1]).splitlines() == [f"now {i}" for i in range(12, 62)]
    assert texts(outputs[2]).splitlines() == ["now 60", "now 61"]
    assert texts(outputs[4]).splitlines() == [f"now {i}" for i in range(1, 62)]
    assert len(texts(outputs[5]).splitlines()) == 3


def test_output_can_be_quiet_for_all_or_for_some(cells):
    outputs = cells(
        "loud, still = Counter.options(name='loud').remote(), Counter.options(name='still').remote()",
        "%actor output quiet still\n%actor output\nloud.add(); still.add();",
        "%actor output quiet\n%actor output\nref = loud.add.remote(); jactors.get(ref); print(repr(ref.stdout))",
        "%config ActorMagics.output = 'inline'\nloud.add();\n%actor kill loud still",
    )
    assert texts(outputs[1]) == "inline, but for 1 actors\nnow 1\n"
    assert texts(outputs[2]) == "quiet\n'now 2\\n'\n"
    assert texts(outputs[3]).startswith("now 3\n")


def test_how_to_attach(cells):
    _, console, connect, gone = cells(
        "there = Counter.options(name='there').remote(); there.add()",
        "%actor console there",
        "%actor connect there",
        "%actor kill there\n%actor connect there",
    )
    assert re.search(r"-m jactors\.cli\.console \S+\.json", texts(console))
    assert "BlockingKernelClient" in texts(connect)
    assert "no kernel to attach to" in usage(gone)


def test_resources_say_who_holds_what(cells):
    _, outputs = cells(
        "%actor new Counter() --name holder --num-cpus 3", "holder.add()\n%actor resources\n%actor kill holder"
    )
    (shown,) = [output for output in outputs if output.output_type == "display_data"]
    assert re.search(r"^CPU +1 +4 +holder \(3\)", shown.data["text/plain"], re.MULTILINE)
    assert "<td" in shown.data["text/html"]


def test_a_busy_actor_is_looked_into(cells, tmp_path):
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    outputs = cells(
        f"""
        seen = Counter.options(name="seen").remote(5, step=2)
        seen.add()
        ref = seen.wait.remote({str(begun)!r}, {str(gate)!r})
        later = [seen.add.remote() for _ in range(2)]
        while not os.path.exists({str(begun)!r}): pass
        """,
        "%actor state seen",
        "%actor stack seen",
        "%actor queue seen",
        "%actor top",
        "seen",
        f"open({str(gate)!r}, 'w').close()\njactors.get(later);\n"
        "%actor stack seen\n%actor kill seen\n%actor state seen",
    )
    state, _, queue, top, handle = [each[0].data["text/plain"] if "data" in each[0] else "" for each in outputs[1:6]]
    assert re.search(r"^n +int +.*7$", state, re.MULTILINE) and re.search(r"^step +int .*2$", state, re.MULTILINE)
    assert re.search(r"runs \S*wait\b.*\n +Cell In\[\d+\], line \d+, in \S*wait", texts(outputs[2]))
    assert [line.split()[:2] for line in queue.splitlines()[2:6]] == [
        ["running", "wait"],
        ["queued", "add"],
        ["queued", "add"],
        ["done", "add"],
    ]
    assert queue.endswith("1 running, 2 waiting, 1 ended lately")
    assert re.search(r"^seen +Counter +busy +wait +2 +1 +0 ", top, re.MULTILINE)
    assert re.search(r"^<Counter \w{8} 'seen' alive, 2 queued>$", handle)
    assert "<b>seen</b>" in outputs[5][0].data["text/html"]
    assert "nothing of yours runs" in texts(outputs[6])
    assert "died" in usage(outputs[6]) or "dead" in usage(outputs[6])


def test_a_handle_tells_of_its_last_error_and_of_its_methods(cells):
    outputs = cells(
        """
        class Fails:
            '''Fails on demand.'''
            def fail(self, what: str = "it"):
                '''Raise what was asked for.'''
                raise ValueError(what)
        fails = jactors.remote(Fails).options(name="fails").remote()
        try: fails.fail("so be it")
        except ValueError: pass
        """,
        "fails",
        "print([name for name in dir(fails) if not name.startswith('_')], str(fails).startswith('Actor(Fails, '))",
        "import inspect\nprint(inspect.signature(fails.fail), inspect.getdoc(fails.fail))\n%actor kill fails",
        "fails",
    )
    assert re.search(
        r"^<Fails \w{8} 'fails' alive; last error: ValueError: so be it>$", outputs[1][0].data["text/plain"]
    )
    assert texts(outputs[2]) == "['fail'] True\n"
    assert texts(outputs[3]).splitlines()[0].endswith("Raise what was asked for.")
    assert re.search(r"^<Fails \w{8} 'fails' dead; .*killed", outputs[4][0].data["text/plain"])


def test_checkpoint_and_restore_bring_back_what_an_actor_had(cells):
    cells("keeper = Counter.options(max_restarts=1, checkpoint='on_demand').remote(5)\n_ = keeper.add()")
    saved, _, restored, added = cells(
        "%actor checkpoint keeper", "_ = keeper.add(); keeper.add()", "%actor restore keeper", "print(keeper.add())"
    )
    assert texts(saved).startswith("keeper: ") and texts(restored).startswith("keeper: ")
    assert texts(added) == "now 7\n7\n"
    refused, several = cells("%actor restore keeper --path nowhere.state", "%actor checkpoint keeper keeper --path x")
    assert "nowhere.state" in usage(refused)
    assert "name one actor" in usage(several)
    cells("%actor kill keeper")
