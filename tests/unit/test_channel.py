"""The channel: lines of JSON, and what it makes of everything else."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jactors.wire import channel as channels
from jactors.wire.channel import Channel, is_ours


@pytest.fixture
def ends():
    left, right = socket.socketpair()
    yield Channel(left), right
    left.close()
    right.close()


def test_messages_arrive_in_order_whatever_the_pieces(ends):
    channel, peer = ends
    data = b"".join(json.dumps({"n": n}).encode() + b"\n" for n in range(3))
    got = []
    for at in range(0, len(data), 5):
        peer.sendall(data[at : at + 5])
        got += channel.receive()
    assert got == [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.mark.parametrize("line", [b"x", b"[1]", b"3", b"null", b"[" * 100_000, b"\xff\xfe", b'{"a": 1', b"'{}'"])
def test_what_is_no_object_is_a_value_error(ends, line):
    channel, peer = ends
    peer.sendall(line + b"\n")
    with pytest.raises(ValueError, match=r"."):
        list(channel.receive())


def test_a_line_that_does_not_end_is_not_kept_for_ever(ends, monkeypatch):
    monkeypatch.setattr(channels, "_LONGEST", 1000)
    channel, peer = ends
    peer.sendall(b"x" * 2000)
    with pytest.raises(ValueError, match="does not end"):
        list(channel.receive())


def test_a_peer_that_reads_nothing_is_told_no_more(ends, monkeypatch):
    monkeypatch.setattr(channels, "_LONGEST", 1 << 16)
    channel, _ = ends
    for _ in range(100):
        channel.send({"text": "x" * 10_000})
    assert len(channel._out) <= 1 << 16


def test_a_peer_that_has_gone_is_noticed_after_what_it_had_sent(ends):
    channel, peer = ends
    peer.sendall(b'{"last": 1}\n')
    peer.close()
    received = channel.receive()
    assert next(received) == {"last": 1}
    with pytest.raises(EOFError):
        next(received)


def test_a_process_of_this_user_is_ours(ends):
    assert is_ours(ends[1])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_a_value_error(data):
    left, right = socket.socketpair()
    with left, right:
        right.sendall(data + b"\n")
        try:
            assert all(isinstance(message, dict) for message in Channel(left).receive())
        except ValueError:
            pass
