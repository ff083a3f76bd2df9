"""The OOM killer's counters: what has gone up since the last look."""

from __future__ import annotations

from jactors.life.oom import OomCounters


def test_a_counter_that_went_up_is_seen_once(tmp_path):
    vmstat, group = tmp_path / "vmstat", tmp_path / "memory.events"
    vmstat.write_text("nr_free_pages 12\noom_kill 3\n")
    group.write_text("oom 0\noom_kill 0\noom_group_kill 0\n")
    counters = OomCounters([vmstat, group])
    assert not counters.struck()
    group.write_text("oom 1\noom_kill 1\noom_group_kill 0\n")
    assert counters.struck()
    assert not counters.struck()
    vmstat.write_text("nr_free_pages 12\noom_kill 4\n")
    assert counters.struck()


def test_what_cannot_be_read_says_nothing(tmp_path):
    there = tmp_path / "there"
    there.write_text("oom_kill 7\n")
    counters = OomCounters([tmp_path / "missing", there])
    there.unlink()
    assert not counters.struck()
    there.write_text("oom_kill 9\n")
    assert not counters.struck()  # it comes back as something new: nothing is known of the time between
