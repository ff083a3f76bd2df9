"""What is shown of an environment."""

from __future__ import annotations

import pytest

from jactors.kernel.about import MASK, masked


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
        "HF_TOKEN",
        "DB_PASSWORD",
        "PGPASS",
        "SMTP_PASS",
        "GOOGLE_CREDENTIALS",
        "my_token",
        "SSH_PASSPHRASE",
    ],
)
def test_the_value_of_a_name_that_speaks_of_a_secret_is_hidden(name):
    assert masked({name: "hunter2"}) == {name: MASK}


@pytest.mark.parametrize("name", ["PATH", "HOME", "COMPASS_HOME", "BYPASS_X", "OMP_NUM_THREADS"])
def test_others_are_shown(name):
    assert masked({name: "value"}) == {name: "value"}


def test_passwords_within_values_are_hidden():
    shown = masked({"DATABASE": "postgres://me:hunter2@host/db", "ARGS": "--token=hunter2 --port=1, password: hunter2"})
    assert shown == {"ARGS": f"--token={MASK} --port=1, password: {MASK}", "DATABASE": f"postgres://me:{MASK}@host/db"}


def test_names_are_in_order_an_empty_secret_is_empty_and_long_values_are_cut():
    shown = masked({"B": "x" * 5000, "A_KEY": "", "A": "1"})
    assert list(shown) == ["A", "A_KEY", "B"] and shown["A_KEY"] == "" and len(shown["B"]) < 500
