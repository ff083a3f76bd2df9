"""Blocks: what is written is what is read; what is mapped never changes; what is free is used again."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest

from jactors.errors import ObjectLostError
from jactors.objects import blocks
from jactors.objects.blocks import Arena, adopted, lent, swap_out, views

SIZE = 1 << 20


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "free").mkdir()
    return tmp_path


def files(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def free(folder):
    return sorted(path.name for path in (folder / "free").iterdir())


def write(arena, *parts):
    return arena.write([memoryview(part) for part in parts])


def test_parts_are_read_as_they_were_written_and_cannot_be_changed(folder):
    one, two = write(Arena(folder), b"a" * 1000, b"b" * SIZE)
    assert (len(one), len(two)) == (1000, SIZE)
    assert bytes(one.view()) == b"a" * 1000
    seen = Arena(folder).read(one.block.name, two.offset, two.size)
    assert bytes(seen) == b"b" * SIZE
    assert seen.readonly and two.view().readonly
    assert two.offset % 64 == 0  # as arrays like it


def test_a_block_is_private(folder):
    (segment,) = write(Arena(folder), bytes(SIZE))
    assert stat.S_IMODE((folder / segment.block.name).stat().st_mode) == 0o600


def test_a_block_goes_with_its_last_payload_and_is_used_again(folder):
    arena = Arena(folder)
    segments = write(arena, b"a" * SIZE)
    first = (folder / segments[0].block.name).stat().st_ino
    del segments
    assert files(folder) == [] and len(free(folder)) == 1
    (segment,) = write(Arena(folder), b"b" * (SIZE - 5))  # another process' arena may take it too
    assert (folder / segment.block.name).stat().st_ino == first
    assert free(folder) == []
    assert bytes(segment.view()) == b"b" * (SIZE - 5)


def test_what_somebody_maps_is_not_used_again(folder):
    arena, reader = Arena(folder), Arena(folder)
    segments = write(arena, b"a" * SIZE)
    seen = reader.read(segments[0].block.name, 0, SIZE)
    del segments
    assert files(folder) == [] and free(folder) == []  # unlinked: the memory is the reader's alone
    write(arena, b"b" * SIZE)
    assert bytes(seen[:3]) == b"aaa"


def test_an_array_of_the_owner_keeps_its_memory(folder):
    arena = Arena(folder)
    segments = write(arena, b"a" * SIZE)
    seen = segments[0].view()
    del segments
    other = write(arena, b"b" * SIZE)
    assert bytes(seen[:3]) == b"aaa" and bytes(other[0].view()[:3]) == b"bbb"


def test_a_late_reader_of_a_block_that_is_used_again_finds_nothing(folder):
    arena = Arena(folder)
    segments = write(arena, b"a" * SIZE)
    name = segments[0].block.name
    del segments
    again = write(arena, b"b" * SIZE)
    with pytest.raises(FileNotFoundError):
        Arena(folder).read(name, 0, SIZE)
    assert again[0].block.name != name


def test_a_free_block_that_is_still_mapped_is_passed_over(folder):
    arena, reader = Arena(folder), Arena(folder)
    segments = write(arena, b"a" * SIZE)
    seen = reader.read(segments[0].block.name, 0, SIZE)
    # As if the reader had come between the owner's look and its rename.
    (folder / segments[0].block.name).rename(folder / "free" / f"{SIZE}-late")
    other = write(arena, b"b" * SIZE)
    assert bytes(seen[:3]) == b"aaa" and bytes(other[0].view()[:3]) == b"bbb"
    assert free(folder) == []


def test_an_adopted_block_is_the_new_owners(folder):
    writer, taker = Arena(folder), Arena(folder)
    (segment,) = write(writer, b"a" * SIZE)
    name = segment.block.name
    segment.block.give_away()
    del segment
    assert files(folder) == [name]
    block = taker.adopt(name)
    assert files(folder) == [block.name] and block.name != name
    assert bytes(block.view(0, 3)) == b"aaa"
    del block
    assert files(folder) == [] and len(free(folder)) == 1


def test_names_that_lead_elsewhere_and_parts_that_are_not_there_are_refused(folder):
    arena = Arena(folder)
    (segment,) = write(arena, bytes(SIZE))
    for name in ("../x", "/etc/passwd", ".hidden"):
        with pytest.raises(ValueError, match="no block's name"):
            arena.read(name, 0, 1)
    for offset, size in ((0, SIZE + 1), (-1, 1), (5, -1)):
        with pytest.raises(ValueError, match="not all in block"):
            Arena(folder).read(segment.block.name, offset, size)
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        arena.read("link", 0, 1)


def test_no_room_means_none_and_leaves_nothing(folder, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    assert write(Arena(folder), bytes(SIZE)) is None
    assert files(folder) == []


def test_so_many_free_bytes_are_kept_and_no_more(folder, monkeypatch):
    monkeypatch.setattr(blocks, "_FREE", 2 * SIZE)
    arena = Arena(folder)
    kept = [write(arena, bytes(SIZE)) for _ in range(4)]
    kept.clear()
    assert len(free(folder)) == 2


def test_a_forked_child_neither_writes_nor_frees(folder):
    arena = Arena(folder)
    segments = write(arena, b"a" * SIZE)
    name = segments[0].block.name
    pid = os.fork()
    if not pid:
        refused = write(arena, bytes(SIZE)) is None
        segments.clear()
        os._exit(0 if refused else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert files(folder) == [name]


def test_what_a_dead_owner_has_left_is_swept_and_nothing_else(folder):
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    (folder / f"{child.stdout.strip()}.1").write_bytes(b"left")
    segments = write(Arena(folder), bytes(SIZE))
    blocks.sweep(folder)
    assert files(folder) == [segments[0].block.name]


@pytest.fixture
def bound(folder):
    """This process' arena lies in `folder`."""
    before = blocks.arena()
    blocks.bind(folder)
    yield
    blocks._arena = before


def test_segments_are_named_in_a_message_and_found_again(folder, bound):
    (segment,) = write(Arena(folder), b"a" * SIZE)
    frames = [b"stream", segment, b"small"]
    named = swap_out(frames)
    assert frames == [b"stream", b"", b"small"]
    lent(frames, named)
    assert frames[0] == b"stream" and bytes(frames[1]) == b"a" * SIZE
    assert swap_out([b"a", b"b"]) == {}


def test_whoever_is_sent_a_result_becomes_its_owner(folder, bound):
    one, two = write(Arena(folder), b"a" * SIZE, b"b" * SIZE)
    name = one.block.name
    frames = [b"stream", one, two]
    named = swap_out(frames)
    one.block.give_away()
    del one, two
    adopted(frames, named)
    assert frames[1].block is frames[2].block and frames[1].block.name != name
    assert [bytes(view[:1]) for view in views(frames[1:])] == [b"a", b"b"]
    frames.clear()
    assert files(folder) == []


def test_a_segment_that_has_gone_is_an_error_when_its_value_is_wanted(folder, bound):
    frames = [b"stream", b""]
    lent(frames, {"1": ["5.abc.1", 0, SIZE]})
    with pytest.raises(ObjectLostError, match=f"a value of {SIZE} bytes is lost"):
        views(frames[1:])
    assert swap_out(frames) == {"1": ["", 0, SIZE]}  # it can be passed on, and is lost there too
    lent(frames, {"1": ["", 0, SIZE]})
    with pytest.raises(ObjectLostError):
        views(frames[1:])
