"""The example notebook runs from top to bottom, and what it shows is what this run has shown.

CONVGRAD_ACCEPT=1 writes the outputs of the run into it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "explain.ipynb"
LEFT_OUT = ("execution_count",)
"""What differs between runs that show the same."""


def read_notebook() -> nbformat.NotebookNode:
    notebook: nbformat.NotebookNode = nbformat.read(NOTEBOOK, as_version=4)
    return notebook


@pytest.fixture(scope="module")
def stored() -> nbformat.NotebookNode:
    return read_notebook()


@pytest.fixture(scope="module")
def run(stored: nbformat.NotebookNode, tmp_path_factory: pytest.TempPathFactory) -> nbformat.NotebookNode:
    """The notebook as it is after a run in an empty folder."""
    copy: nbformat.NotebookNode = nbformat.from_dict(stored)
    folder = tmp_path_factory.mktemp("notebook")
    NotebookClient(copy, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    assert not list(folder.iterdir()), "the notebook leaves files behind"
    if os.environ.get("CONVGRAD_ACCEPT"):
        accepted = read_notebook()
        for cell, ran in zip(_code(accepted), _code(copy), strict=True):
            cell.outputs = [nbformat.from_dict(output) for output in _shown(ran)]
        nbformat.write(accepted, NOTEBOOK)
    return copy


def _code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _shown(cell: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """The cell's outputs, without what differs between runs."""
    return [{**output, **({"execution_count": None} if "execution_count" in output else {})} for output in cell.outputs]


def test_the_outputs_are_those_of_a_run(run: nbformat.NotebookNode) -> None:
    stored = read_notebook()
    for cell, ran in zip(_code(stored), _code(run), strict=True):
        assert _shown(cell) == _shown(ran), f"{cell.id}: run with CONVGRAD_ACCEPT=1 to store what is shown now"


def test_it_is_stored_without_traces_of_a_run(stored: nbformat.NotebookNode) -> None:
    assert set(stored.metadata) == {"kernelspec", "language_info"}
    assert stored.metadata.language_info == {"name": "python"}
    for number, cell in enumerate(stored.cells, 1):
        assert cell.id == f"cell-{number:02}"
        assert not cell.metadata
    assert all(cell.execution_count is None for cell in _code(stored))


def test_what_it_must_show(run: nbformat.NotebookNode) -> None:
    text = "\n".join(str(output) for cell in _code(run) for output in cell.outputs)
    assert "0.0686*0.88 + 0.0364*0.62 + 0.0467*0.20 - 0.0681*0.70 = 0.044606" in text
    assert "0.0447573  0.0943846" in text
    pages = [o.data["text/html"] for cell in _code(run) for o in cell.outputs if "text/html" in o.get("data", {})]
    assert len(pages) > 8
    for page in pages:
        ElementTree.fromstring(f"<body>{page}</body>")
