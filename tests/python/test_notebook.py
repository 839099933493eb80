"""The notebook's cells, run one after another in a folder of their own."""
import json
import pathlib

import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

NOTEBOOK = pathlib.Path(__file__).resolve().parents[2] / "examples" / "tour.ipynb"


def test_every_cell_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    assert names["losses"][-1][1] < names["losses"][0][1]
    assert names["loss"].item() < 1e-2
    assert (names["rebuilt"] - names["test"]).square().mean() < names["test"].var()
