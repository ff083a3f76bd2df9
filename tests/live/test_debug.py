"""Breakpoints, post-mortems and questions of methods, answered by the process that waits for them."""

from __future__ import annotations

import inspect
import itertools
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient

import jactors
from jactors import session as sessions

ACTOR = """
    import jactors, sys
    import jactors.wire.questions
    jactors.init(INIT)
    @jactors.remote
    class Counter:
        def __init__(self): self.count = 0
        def add(self, n):
            self.count += n
            breakpoint()
            total = self.count * 10
            return total
        def ask(self):
            print("before")
            return input("name? ") + "!"
        def fail(self, n):
            wanted = n + 1
            raise ValueError(f"no {wanted}")
    c = Counter.remote()
"""


def answers(start, text, given):
    driver = start(ACTOR + text)
    out, err = driver.communicate(given, timeout=60)
    assert driver.returncode == 0, err
    return out


def test_a_breakpoint_is_driven_from_the_caller(start):
    out = answers(start, "    print('got', c.add(2))\n", "p self.count\nn\np total\nself.count = 5\nc\n")
    assert "breakpoint()" in out
    assert "got 20" in out
    assert [line for line in out.splitlines() if line.split(") ")[-1] in ("2", "20")]


CHAIN = """
    import asyncio, threading
    from concurrent.futures import ThreadPoolExecutor
    print("got", jactors.get([c.ask.remote()]))

    class Between:
        def __init__(self, below, name=None): self.below, self.name = below, name or input("born? ")
        def ask(self): return jactors.get(self.below.ask.remote())
        def stop(self): return self.below.add(7)
        def child(self):
            from multiprocessing import get_context
            told, tell = get_context("fork").Pipe()
            def ask():
                try: input("child? ")
                except Exception as error: tell.send(repr(error))
            process = get_context("fork").Process(target=ask)
            process.start(), process.join()
            return told.recv()
        def aside(self):
            thread = threading.Thread(target=lambda: setattr(self, "name", input("aside? ")))
            thread.start(), thread.join()
            return self.name
    class Awaits(Between):
        async def ask(self): return await self.below.ask.remote()

    between = jactors.remote(Between).remote(c)
    threads = jactors.remote(max_concurrency=2)(Between).remote(c, "threads")
    awaits = jactors.remote(Awaits).remote(threads, "awaits")
    print(threads.child())
    print("chain", between.ask(), awaits.ask(), between.aside(), between.stop())
    async def main():
        print("awaited", await between.ask.remote())
        ref = awaits.ask.remote()
        while not QUESTIONS.open_questions: await asyncio.sleep(0.01)  # asked before it is awaited
        print("late", await ref)
    asyncio.run(main())
    with ThreadPoolExecutor() as pool:
        print("pool", *pool.map(lambda actor: actor.ask(), [between, awaits]))
"""


def test_input_in_a_method_asks_whoever_has_begun_it_all(start):
    chain = CHAIN.replace("QUESTIONS", "jactors.wire.questions")
    out = answers(start, chain, "me\nborn\none\ntwo\nthree\np n\nc\nfour\nfive\nsix\nseven\n")
    assert "got ['me!']" in out
    assert "StdinNotImplementedError(\"a child of an actor's process has nobody to ask" in out
    assert out.index("before") < out.index("name?")
    assert "born? " in out and "aside? " in out and "ipdb> " in out
    told = [" ".join(line.split()[-5:]) for line in out.splitlines() if "chain" in line]
    assert told == ["chain one! two! three 70"]
    assert "awaited four!" in out and "late five!" in out
    assert sorted(out.split("pool ")[1].split()[:2]) == ["seven!", "six!"]


def test_who_has_gone_cannot_be_asked_and_the_method_is_told(start, session):
    @jactors.remote(max_concurrency=2)
    class Between:
        def __init__(self, below=None):
            self.below, self.heard = below, []

        def ask(self):
            try:
                return input("? ") if self.below is None else self.below.ask()
            except Exception as error:
                self.heard.append(f"{type(error).__name__}: {error}")
                raise

        def told(self):
            return self.heard

    below = Between.remote()
    above = Between.options(name="asked").remote(below)
    driver = start(f"""
        import jactors
        jactors.init(address={session["address"]!r}, namespace={session["namespace"]!r})
        jactors.get_actor("asked").ask()
    """)
    assert driver.stdout.read(1) == "?"
    driver.kill()
    while not (heard := jactors.get(above.told.remote())):
        pass
    assert jactors.get(below.told.remote()) == [
        "StdinNotImplementedError: there is nobody to ask: whoever made this call has gone"
    ]
    assert heard[0].startswith("TaskError(StdinNotImplementedError): ")


def test_a_caller_without_input_says_so(start):
    out = answers(start, "    try: c.ask()\n    except EOFError as error: print(type(error), error)\n", "")
    assert "there is nobody to answer" in out


def test_a_post_mortem_opens_where_it_was_raised(start):
    out = answers(
        start,
        """
    try: c.fail(41)
    except ValueError: pass
    print("about", jactors.post_mortem(c))
    jactors.get(c.ask.remote())
""",
        "p wanted\np self.count\nq\nme\n",
    )
    assert "42" in out
    assert "about fail: ValueError: no 42" in out


def test_nothing_has_failed(session):
    @jactors.remote
    class A:
        def one(self):
            return 1

    a = A.remote()
    with pytest.raises(LookupError, match="no method has failed"):
        jactors.post_mortem(a)
    assert a.one() == 1


def test_a_method_that_asks_is_interrupted(session, monkeypatch):
    @jactors.remote
    class A:
        def ask(self):
            return input("?")

        def one(self):
            return 1

    a = A.remote()
    monkeypatch.setattr("builtins.input", lambda prompt: jactors.interrupt(a) or "too late")
    with pytest.raises(jactors.exceptions.TaskCancelledError):
        a.ask()
    assert a.one() == 1


def test_an_armed_actor_takes_a_debugger_while_it_is_busy_and_stops_at_its_breakpoint(session, tmp_path):
    go = tmp_path / "go"

    @jactors.remote(debug=True)
    class A:
        def spin(self, path):
            while not Path(path).exists():
                pass
            return "spun"

        def double(self, n):
            return n * 2

    line = inspect.getsourcelines(A._class.double)[1] + 1
    a = A.remote()
    assert a.double(1) == 2
    told = sessions.current().links.told[a._actor_id.hex()]
    client = BlockingKernelClient()
    client.load_connection_file(told["connection_file"])
    client.start_channels()

    def ask(command, **arguments):
        request = {"type": "request", "seq": next(numbers), "command": command, "arguments": arguments}
        message = client.session.msg("debug_request", request)
        client.control_channel.send(message)
        while True:
            reply = client.control_channel.get_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                assert reply["content"]["success"], reply
                return reply["content"].get("body")

    numbers = itertools.count(1)
    try:
        busy = a.spin.remote(str(go))
        ask("initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True, columnsStartAt1=True)
        ask("attach")  # while it spins
        ask("setBreakpoints", source={"path": __file__}, breakpoints=[{"line": line}], sourceModified=False)
        ask("configurationDone")
        go.touch()
        assert jactors.get(busy) == "spun"
        ref = a.double.remote(21)
        while True:
            event = client.get_iopub_msg(timeout=30)
            if event["msg_type"] == "debug_event" and event["content"]["event"] == "stopped":
                break
        thread = event["content"]["body"]["threadId"]
        top = ask("stackTrace", threadId=thread)["stackFrames"][0]
        assert (top["name"], top["line"]) == ("double", line)
        ask("continue", threadId=thread)
        assert jactors.get(ref) == 42
    finally:
        client.stop_channels()
        jactors.kill(a)
