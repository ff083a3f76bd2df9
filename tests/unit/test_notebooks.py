"""What nbval cannot see in a stored notebook."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def complaints(path):
    """Yield what is wrong with a stored notebook, one line each."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    if "widgets" in notebook["metadata"]:
        yield f"{path.name}: holds widget state, with which an exported page is blank offline"
    for number, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code" and cell["execution_count"] is None:
            yield f"{path.name}: cell {number} was never executed, so nbval would pass it unchecked"


def test_every_code_cell_was_executed_and_no_widget_state_is_stored():
    paths = [path for path in sorted(NOTEBOOKS.rglob("*.ipynb")) if ".ipynb_checkpoints" not in path.parts]
    assert [line for path in paths for line in complaints(path)] == []


def test_an_unexecuted_cell_and_stored_widgets_are_seen(tmp_path):
    def code(source, count):
        return {"cell_type": "code", "source": source, "execution_count": count, "outputs": [], "metadata": {}}

    cells = [{"cell_type": "markdown", "source": ["# hello"]}, code(["1 + 1"], 1), code(["2 + 2"], None)]
    path = tmp_path / "bad.ipynb"
    path.write_text(json.dumps({"metadata": {"widgets": {}}, "cells": cells}), encoding="utf-8")
    assert [line.split(": ")[1].split(",")[0] for line in complaints(path)] == [
        "holds widget state",
        "cell 3 was never executed",
    ]
