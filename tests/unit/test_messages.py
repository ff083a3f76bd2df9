"""Messages: signed, in sequence, whole; whatever is not is refused before anybody unpickles anything."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest
from jupyter_client.session import Session

from jactors.errors import ProtocolError
from jactors.wire import messages
from jactors.wire.messages import CALL, DELIMITER, REPLY, STATUS, Signer, check_digest, peek_type, split

KEY = b"a key of this incarnation"


def signer(sender="me", key=KEY):
    return Signer(key, sender)


def behind(frames):
    return split(frames)[1]


def received(frames, reader=None):
    return (reader or signer("you")).unpack(behind(frames))


def resigned(frames, key=KEY, **parts):
    """The same message with other signed parts, signed rightly."""
    at = frames.index(DELIMITER)
    names = ("header", "parent", "metadata", "content")
    signed = [parts.get(name, frame) for name, frame in zip(names, frames[at + 2 : at + 6], strict=True)]
    signature = hmac.new(key, b"".join(signed), hashlib.sha256).hexdigest().encode()
    return [*frames[: at + 1], signature, *signed, *frames[at + 6 :]]


@pytest.fixture
def frames():
    return signer().pack(CALL, {"calls": [1]}, parent=b'{"msg_id":"cell"}', streams=[b"one"], buffers=[b"one", b"raw"])


# ---------------------------------------------------------------- there and back


def test_what_is_packed_is_unpacked(frames):
    message = received(frames)
    assert (message.msg_type, message.sender) == (CALL, "me")
    assert message.content["calls"] == [1] and message.parent == {"msg_id": "cell"} and message.metadata == {}
    assert list(message.buffers) == [b"one", b"raw"]
    check_digest(message, [b"one"])


def test_identities_come_before_the_delimiter(frames):
    idents, rest = split([b"sender", b"relay", *frames])
    assert idents == [b"sender", b"relay"] and signer("you").unpack(rest).msg_type == CALL


def test_numbers_only_grow():
    mine, yours = signer(), signer("you")
    numbers = [received(mine.pack(CALL, {}), yours).content["seq"] for _ in range(5)]
    assert numbers == sorted(set(numbers))


def test_a_gap_is_no_fault():
    mine, yours = signer(), signer("you")
    for _ in range(10):
        mine.pack(CALL, {})
    assert received(mine.pack(CALL, {}), yours).content["seq"] == 11


def test_senders_are_numbered_apart():
    yours = signer("you")
    for sender in ("a", "b", "c"):
        assert received(signer(sender).pack(CALL, {}), yours).sender == sender


def test_a_stock_session_reads_ours_and_we_read_its(frames):
    stock = Session(key=KEY, session="stock")
    _, rest = stock.feed_identities(frames)
    message = stock.deserialize(rest)
    assert message["content"]["calls"] == [1] and message["buffers"] == [b"one", b"raw"]
    theirs = stock.serialize(stock.msg("status", {"execution_state": "busy"}))
    assert received(theirs).content == {"execution_state": "busy"}


def test_dates_become_text():
    now = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    assert json.loads(messages.dump_json({"date": now})) == {"date": now.isoformat()}
    with pytest.raises(TypeError, match="set is not part of a message"):
        messages.dump_json({"x": set()})


# ---------------------------------------------------------------- refused


def test_a_replay():
    frames, yours = signer().pack(CALL, {}), signer("you")
    received(frames, yours)
    with pytest.raises(ProtocolError, match="came again"):
        received(frames, yours)


def test_an_older_message():
    mine, yours = signer(), signer("you")
    first, second = mine.pack(REPLY, {}), mine.pack(REPLY, {})
    received(second, yours)
    with pytest.raises(ProtocolError, match="came again"):
        received(first, yours)


@pytest.mark.parametrize("msg_type", [CALL, REPLY, messages.FETCH, messages.FETCHED])
@pytest.mark.parametrize("content", [{}, {"seq": None}, {"seq": "7"}, {"seq": 0}, {"seq": -1}, [], 3])
def test_no_number(msg_type, content):
    frames = resigned(signer().pack(msg_type, {}), content=json.dumps(content).encode())
    with pytest.raises(ProtocolError, match="has no number"):
        received(frames)


def test_other_messages_need_no_number():
    frames = signer().pack(STATUS, {"mark": 1})
    yours = signer("you")
    assert received(frames, yours).content == received(frames, yours).content  # output may come twice


def test_a_wrong_key(frames):
    with pytest.raises(ProtocolError, match="wrong signature"):
        received(frames, signer("you", key=b"another key"))


def test_an_unsigned_message(frames):
    frames[frames.index(DELIMITER) + 1] = b""
    with pytest.raises(ProtocolError, match="wrong signature"):
        received(frames)


@pytest.mark.parametrize("part", range(2, 6), ids=["header", "parent", "metadata", "content"])
def test_any_signed_part_changed(frames, part):
    at = frames.index(DELIMITER) + part
    frames[at] = frames[at][:-1] + b' "x":1}'
    with pytest.raises(ProtocolError, match="wrong signature"):
        received(frames)


def test_bytes_moved_from_one_part_to_the_next_are_not_jupyters(frames):
    """The signature covers the parts joined: what it cannot see, the reader has to."""
    at = frames.index(DELIMITER)
    frames[at + 2], frames[at + 3] = frames[at + 2] + frames[at + 3], b""
    with pytest.raises(ProtocolError, match="not Jupyter's"):
        received(frames)


@pytest.mark.parametrize("length", range(5))
def test_truncated(frames, length):
    with pytest.raises(ProtocolError, match="truncated"):
        signer("you").unpack(behind(frames)[:length])


@pytest.mark.parametrize("header", [b"", b"[]", b"{}", b"3", b'{"session":"me"}', b'{"msg_type":"x"}', b"\xff"])
def test_a_signed_header_that_makes_no_sense(frames, header):
    with pytest.raises(ProtocolError, match="not Jupyter's"):
        received(resigned(frames, header=header))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xff"])
def test_signed_content_that_is_not_json(frames, content):
    with pytest.raises(ProtocolError, match="not Jupyter's"):
        received(resigned(frames, content=content))


@pytest.mark.parametrize("frames", [[], [b""], [b"x"] * 20, [b"x"] * 8 + [DELIMITER] + [b"y"] * 5])
def test_no_delimiter(frames):
    with pytest.raises(ProtocolError, match="without delimiter"):
        split(frames)


def test_what_was_refused_uses_no_number(frames):
    yours = signer("you")
    with pytest.raises(ProtocolError):
        received(resigned(frames, key=b"another"), yours)
    assert received(frames, yours).msg_type == CALL


# ---------------------------------------------------------------- the digest


@pytest.mark.parametrize(
    "streams",
    [[], [b"two"], [b"one", b"one"], [b"on", b"e"], [b"one", b""], [b"onee"]],
)
def test_streams_that_were_not_signed(frames, streams):
    with pytest.raises(ProtocolError, match="not those that were signed"):
        check_digest(received(frames), streams)


def test_streams_are_told_apart_by_length_and_order():
    assert messages.digest([b"ab", b"c"]) != messages.digest([b"a", b"bc"])
    assert messages.digest([b"a", b"b"]) != messages.digest([b"b", b"a"])


def test_no_streams_no_digest():
    message = received(signer().pack(CALL, {}))
    check_digest(message, [])
    with pytest.raises(ProtocolError):
        check_digest(message, [b"slipped in"])


def test_raw_buffers_are_data_and_not_signed(frames):
    frames[-1] = b"other"
    assert received(frames).buffers[-1] == b"other"


# ---------------------------------------------------------------- peek


def test_peek_reads_the_type_without_believing_it(frames):
    assert peek_type([b"ident", *frames], b'"actor_call_request"')
    assert not peek_type([b"ident", *frames], b'"execute_request"')


@pytest.mark.parametrize("frames", [[], [DELIMITER], [b"a", DELIMITER, b"signature"], [b"x"] * 9])
def test_peek_at_what_is_no_message(frames):
    assert not peek_type(frames, b"actor")


def test_sent_in_one_piece():
    class Socket:
        def __init__(self):
            self.sent = []

        def send(self, frame, flags, copy):
            self.sent.append((bytes(frame), flags, copy))

    socket = Socket()
    messages.send(socket, [b"a", b"b" * (1 << 16), b"c"])
    assert [(flags, copy) for _, flags, copy in socket.sent] == [(2, True), (2, False), (0, True)]
