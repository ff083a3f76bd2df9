"""The attack: sends what the mutator makes, and looks after each batch whether all is as before."""

from __future__ import annotations

import json
import os
import socket
import statistics
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import zmq

import jactors
from jactors.wire import messages
from jactors.wire.channel import connect
from jactors.wire.connection import Connection
from tests.fuzz.corpus import Corpus
from tests.fuzz.mutation import Mutator

BATCH = 500

#: Shares of the targets: shell and control get what must be refused, one by one.
SHARES = {"shell": 0.4, "control": 0.3, "insider": 0.1, "desk": 0.1, "supervisor": 0.06, "raw": 0.04}

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(16) + b"\x00" + bytes(31)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


class Target:
    """The actor that is attacked; says what it has seen."""

    def __init__(self):
        self.count = 0

    def add(self, by=1):
        self.count += by
        return self.count

    def hold(self, refs):
        """Keep refs of others, so that their owner's desk is open."""
        self.refs = refs

    def seen(self):
        from IPython import get_ipython

        return self.count, get_ipython().kernel.refused

    def pid(self):
        return os.getpid()


@dataclass
class Report:
    """What was done, and what came of it."""

    seed: int
    sent: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SHARES, 0))
    refused: int = 0
    seconds: float = 0.0
    quiet_ms: float = 0.0
    loud_ms: list[float] = field(default_factory=list)
    memory_mb: tuple[float, float] = (0.0, 0.0)
    log_kb: float = 0.0

    def __str__(self):
        sent = ", ".join(f"{name} {n:,}" for name, n in self.sent.items())
        slow = sorted(self.loud_ms)[int(0.99 * (len(self.loud_ms) - 1))]
        due = self.sent["shell"] + self.sent["control"]
        return f"""\
seed {self.seed}: {sum(self.sent.values()):,} messages in {self.seconds:.1f} s ({sent})
refused and counted by the actor: {self.refused:,}, of which {due:,} on shell and control had to be; executed: 0
a call: {self.quiet_ms:.2f} ms before; after each batch {statistics.median(self.loud_ms):.2f} ms, p99 {slow:.2f} ms
memory of the actor: {self.memory_mb[0]:.0f} MB before, {self.memory_mb[1]:.0f} MB after; logs: {self.log_kb:.0f} KB"""


class Attack:
    """One run against one actor of the current session."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.canary = str(folder / "canary")
        self.report = Report(seed)
        self.actor = jactors.remote(Target).remote()
        self.pid = self.actor.pid()
        session = jactors.session.current()
        self.told = session.links.told[self.actor._actor_id.hex()]
        self.connection = Connection.read(self.told["connection_file"])
        self.context = zmq.Context()
        self.corpus = Corpus.record(self.connection, self.canary)
        self.mutator = Mutator(seed, self.corpus)
        self.ref = jactors.put(b"x" * 100)
        self.actor.hold([self.ref])
        self.desk = Connection.read(session.export_ref(self.ref._entry))
        self.address = session.record("")["address"]
        self.sockets = {name: self._socket(name) for name in ("shell", "control", "insider", "desk")}
        self.signer = messages.Signer(self.connection.key, "insider")
        self._deliver()
        self.before = self.actor.seen()

    def _socket(self, name):
        where = self.desk if name == "desk" else self.connection
        channel = "shell" if name == "insider" else name
        return where.socket(self.context, zmq.DEALER, channel, identity=uuid.uuid4().hex.encode())

    def _deliver(self):
        """Send each known message once, as it should be: from now on it is a replay."""
        for frames in self.corpus.known:
            actors = b"actor_call" not in frames[2] and b"actor_" in frames[2]
            self.sockets["control" if actors else "shell"].send_multipart(frames)
        while self.actor.seen()[0] < 8:
            pass
        self._settle()

    def _settle(self):
        """Wait until both channels have read what was sent: each answers a question that comes behind it."""
        from jupyter_client.session import Session

        session = Session(key=self.connection.key)
        for name in ("shell", "control"):
            socket_ = self.sockets[name]
            asked = session.msg("kernel_info_request", {})
            socket_.send_multipart(session.serialize(asked))
            while True:
                assert socket_.poll(30_000), f"{name} does not answer"
                frames = socket_.recv_multipart()
                if asked["header"]["msg_id"].encode() in frames[3]:
                    break

    def run(self, count: int) -> Report:
        """Send `count` messages; AssertionError where anything is not as before."""
        report = self.report
        report.quiet_ms = statistics.median(self._latency() for _ in range(50))
        process = psutil.Process(self.pid)
        memory = process.memory_info().rss / 1e6
        begun = time.monotonic()
        names, shares = list(SHARES), list(SHARES.values())
        for done in range(0, count, BATCH):
            for _ in range(min(BATCH, count - done)):
                name = self.mutator.random.choices(names, shares)[0]
                getattr(self, f"_{name}")()
                report.sent[name] += 1
            self._look()
        report.seconds = time.monotonic() - begun
        report.memory_mb = memory, process.memory_info().rss / 1e6
        logs = (Path(self.told["log_file"]), jactors.session.current().folder / "supervisor.log")
        report.log_kb = sum(log.stat().st_size for log in logs) / 1e3
        return report

    def _latency(self):
        begun = time.perf_counter()
        self.actor.pid()
        return (time.perf_counter() - begun) * 1e3

    def _look(self):
        self._settle()
        self.report.loud_ms.append(self._latency())
        for name in ("insider", "desk"):
            while self.sockets[name].poll(0):
                self.sockets[name].recv_multipart()
        count, refused = self.actor.seen()
        self.report.refused = refused - self.before[1]
        assert count == self.before[0], f"{count - self.before[0]} calls ran that nobody made"
        assert not os.path.exists(self.canary), "something was executed"
        assert self.actor.pid() == self.pid, "it is another process by now"
        assert self.report.refused >= self.report.sent["shell"] + self.report.sent["control"], (
            f"refused {self.report.refused} of {self.report.sent}"
        )
        assert jactors.get(self.ref) == b"x" * 100

    # ------------------------------------------------------------------ the targets

    def _shell(self):
        self.sockets["shell"].send_multipart(self.mutator.message())

    def _control(self):
        self.sockets["control"].send_multipart(self.mutator.message())

    def _insider(self):
        self.sockets["insider"].send_multipart(self.mutator.nonsense(self.signer, self.connection.incarnation))

    def _desk(self):
        self.sockets["desk"].send_multipart(self.mutator.message())

    def _supervisor(self):
        """Lines of nonsense; the connection is closed for some of them, so each time a new one."""
        pick = self.mutator.random
        request = {
            "op": pick.choice(["list", "check", "watch", "lease", "nothing", 3, None]),
            "id": self.mutator.value(),
        }
        request[pick.choice(["actor_id", "demand", "report", "event", "worker"])] = self.mutator.value()

        lines = [json.dumps(request).encode(), self.mutator.bytes(), json.dumps(self.mutator.value()).encode()]
        with connect(self.address) as channel:
            try:
                channel.sendall(pick.choice(lines) + pick.choice([b"\n", b"\n", b""]))
            except OSError:
                pass  # it has hung up in the middle

    def _raw(self):
        if self.connection.transport != "ipc":
            return
        pick = self.mutator.random
        channel = pick.choice(["shell", "control", "iopub", "stdin", "hb"])
        data = bytearray(pick.choice([b"", GREETING, GREETING + READY]) + self.mutator.bytes())
        if data and pick.random() < 0.5:
            data[pick.randrange(len(data))] ^= 1 << pick.randrange(8)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(f"{self.connection.ip}-{self.connection.ports[channel]}")
            try:
                client.sendall(data)
            except OSError:
                pass

    def close(self):
        for each in self.sockets.values():
            each.close()
        self.context.destroy(linger=0)
        jactors.kill(self.actor)
