"""Where Ray is, if anywhere."""

from __future__ import annotations

import os

import pytest


def pytest_addoption(parser):
    # Known only where this folder is named on the command line; the variable works everywhere.
    parser.addoption("--ray-python", help="an interpreter with Ray 2.60 (default: $JACTORS_RAY_PYTHON)")


@pytest.fixture(scope="session")
def ray_python(request):
    """An interpreter that has Ray; skips where none was named."""
    found = request.config.getoption("--ray-python", default=None) or os.environ.get("JACTORS_RAY_PYTHON")
    if not found:
        pytest.skip("no interpreter with Ray: give --ray-python, or $JACTORS_RAY_PYTHON")
    return found
