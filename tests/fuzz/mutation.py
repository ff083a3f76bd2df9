"""Mutations: one message becomes another, at random and repeatably."""

from __future__ import annotations

import json
import random

from jactors.wire import messages

HTTP = b"POST /api/kernels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"


class Mutator:
    """Changes messages; one seed, one sequence."""

    def __init__(self, seed, corpus):
        self.random = random.Random(seed)
        self.corpus = corpus
        self._ways = [
            self._replay,
            self._flip,
            self._flip,
            self._cut,
            self._grow,
            self._drop_frame,
            self._double_frame,
            self._swap_frames,
            self._cross,
            self._bomb,
            self._json,
            self._identities,
            self._no_signature,
            self._noise,
            self._many,
            self._large,
            self._http,
        ]

    def message(self):
        """Return frames that no actor may act upon."""
        pick = self.random
        frames = list(pick.choice(self.corpus.known if pick.random() < 0.7 else self.corpus.foreign))
        for _ in range(pick.choice((1, 1, 1, 2, 3))):
            frames = pick.choice(self._ways)(frames) or [b""]
        return frames

    def bytes(self, size=300):
        return self.random.randbytes(self.random.randrange(size))

    def _at(self, frames):
        return self.random.randrange(len(frames))

    def _replay(self, frames):
        return frames

    def _flip(self, frames):
        at = self._at(frames)
        data = bytearray(frames[at])
        if data:
            for _ in range(self.random.choice((1, 1, 4, 16))):
                data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return [*frames[:at], bytes(data), *frames[at + 1 :]]

    def _cut(self, frames):
        if self.random.random() < 0.5:
            return frames[: self.random.randrange(len(frames) + 1)]
        at = self._at(frames)
        return [*frames[:at], frames[at][: self.random.randrange(len(frames[at]) + 1)], *frames[at + 1 :]]

    def _grow(self, frames):
        at = self._at(frames)
        where = self.random.randrange(len(frames[at]) + 1)
        return [*frames[:at], frames[at][:where] + self.bytes() + frames[at][where:], *frames[at + 1 :]]

    def _drop_frame(self, frames):
        at = self._at(frames)
        return [*frames[:at], *frames[at + 1 :]]

    def _double_frame(self, frames):
        at = self._at(frames)
        return [*frames[:at], frames[at], *frames[at:]]

    def _swap_frames(self, frames):
        frames = list(frames)
        self.random.shuffle(frames)
        return frames

    def _cross(self, frames):
        """A frame of another message, in the same place."""
        other = self.random.choice(self.corpus.known + self.corpus.foreign)
        at = self.random.randrange(min(len(frames), len(other)))
        return [*frames[:at], other[at], *frames[at + 1 :]]

    def _bomb(self, frames):
        """Another pickle in the buffers, which Jupyter's signature does not cover."""
        return [*frames[:6], self.corpus.bomb, *frames[7:]]

    def _json(self, frames):
        """A field of the header or the content has another value."""
        at = self.random.choice([2, 5])
        try:
            fields = json.loads(frames[at])
            name = self.random.choice(list(fields))
        except (ValueError, IndexError, TypeError):
            return frames
        if isinstance(fields, dict):
            fields[name] = self.value()
        return [*frames[:at], json.dumps(fields).encode(), *frames[at + 1 :]]

    def value(self, depth=3):
        """Some JSON."""
        pick = self.random
        kind = pick.randrange(9 if depth else 7)
        if kind == 7:
            return [self.value(depth - 1) for _ in range(pick.randrange(4))]
        if kind == 8:
            return {str(self.value(0)): self.value(depth - 1) for _ in range(pick.randrange(4))}
        return (None, True, pick.randrange(-(1 << 70), 1 << 70), pick.random(), "add", self.bytes(20).hex(), -1)[kind]

    def _identities(self, frames):
        return [self.bytes(40) for _ in range(self.random.randrange(10))] + frames

    def _no_signature(self, frames):
        return [frames[0], b"", *frames[2:]] if len(frames) > 2 else frames

    def _noise(self, frames):
        return [self.bytes() for _ in range(self.random.randrange(1, 12))]

    def _many(self, frames):
        return frames + [b""] * self.random.choice((10, 100, 2000)) if self.random.random() < 0.05 else frames

    def _large(self, frames):
        return [*frames, bytes(1 << 20)] if self.random.random() < 0.02 else frames

    def _http(self, frames):
        return [HTTP] if self.random.random() < 0.3 else [*frames[:1], HTTP]

    # ------------------------------------------------------------------ with the key

    def nonsense(self, signer, incarnation):
        """A signed message of an insider: right in form, its content anything; it names no method that exists."""
        pick = self.random
        content = {"incarnation": incarnation, "calls": [self._call() for _ in range(pick.randrange(3))]}
        if pick.random() < 0.5:
            content[pick.choice(["incarnation", "calls", "digest"])] = self.value()
        kind = pick.choice(
            [*[messages.CALL] * 4, *["comm_msg", "comm_open", "inspect_request", "history_request", "x"]]
        )
        if kind != messages.CALL:
            content = {"x": self.value()}
        stream = pick.choice([b"", self.bytes(), b"\x80\x05N."])
        frames = signer.pack(kind, content, streams=[stream], buffers=[stream])
        return frames if pick.random() < 0.7 else frames[:6]

    def _call(self):
        pick = self.random
        sizes = pick.choice([[1], [2], [-1], [], "1", [1 << 40]])
        method = pick.choice(["nothing", None, 7, ""])
        return [self.value(0), method, self.value(0), pick.choice([None, "x", 3]), sizes]
