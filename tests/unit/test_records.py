"""Amounts and records: how they read."""

from __future__ import annotations

import time

import pytest

from jactors.actors.records import CallRecord, Statistics, table
from jactors.amounts import duration, size
from jactors.kernel.accounts import percentile


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 µs"),
        (0.00025, "250 µs"),
        (0.000999, "999 µs"),
        (0.0009996, "1 ms"),
        (0.0123, "12.3 ms"),
        (0.25, "250 ms"),
        (0.9996, "1.0 s"),
        (9.96, "10 s"),
        (59.96, "1 min 0 s"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600, "3 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9960, "10 kB"),
        (65e6, "65 MB"),
        (1.44e9, "1.4 GB"),
        (5e15, "5000 TB"),
    ],
)
def test_sizes(number, text):
    assert size(number) == text


def test_a_call_knows_where_it_is():
    now = time.time()
    queued = CallRecord(method="add", caller="driver", submitted=now - 3)
    running = CallRecord(method="add", caller="driver", submitted=now - 3, began=now - 1)
    done = CallRecord(method="add", caller="driver", submitted=now - 3, began=now - 2, ended=now - 1.5)
    cancelled = CallRecord(method="add", caller="driver", submitted=now - 3, ended=now - 1, failed=True)
    assert [call.state for call in (queued, running, done, cancelled)] == ["queued", "running", "done", "failed"]
    assert (round(done.waited, 3), round(done.ran, 3), round(cancelled.waited, 3), cancelled.ran) == (1, 0.5, 2, 0)
    assert queued.waited >= 3 and running.ran >= 1
    assert repr(done) == "<add of driver: done, waited 1.0 s, ran 500 ms>"


def test_no_actors_have_a_text():
    assert repr(Statistics(actors=(), total={}, available={})) == "no actors"


def test_a_table_leaves_its_last_column_alone():
    assert table([("a", "b"), ("1", "long long long")]) == "a  b\n-  --------\n1  long long long"


def test_percentiles_are_values_that_occurred():
    values = [1.0, 2.0, 3.0, 4.0]
    assert [percentile(values, p) for p in (0, 50, 95, 100)] == [1, 2, 4, 4] and percentile([], 50) == 0
