"""Training in a notebook: what is shown, and the example of the documentation."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from nanogpt_cli.notebook import NotebookView
from nanogpt_cli.training.reporter import EvalReport, StepReport

EXAMPLE = Path(__file__).resolve().parents[1] / "docs/notebook.ipynb"


def test_the_view_has_the_numbers_and_both_curves():
    view = NotebookView()
    view.show = lambda: None
    for step in range(1, 1001):
        view.step(StepReport(step, 4 - step / 500, 0.01, 1.0, 1234.0, step / 1000, 1.0))
    for step, loss in ((0, 4.2), (500, 2.9), (1000, 3.1)):
        view.evaluation(EvalReport(step, 3.0, loss, None, False))
    shown = ET.fromstring(f"<p>{view.html()}</p>")
    text = "".join(shown.itertext())
    assert "step 1,000 (100%), loss 2.000, 1,234 tokens/s" in text
    assert "best validation loss 2.9000 at step 500" in text
    train, val = (line.get("points").split() for line in shown.iter("polyline"))
    assert 100 < len(train) <= 400
    assert len(val) == len(list(shown.iter("circle"))) == 3
    assert train[-1].startswith("470.0,")
    assert val[0] == "40.0,10.0"  # the highest loss, at the first step


def test_a_view_without_reports_is_empty():
    assert "svg" not in NotebookView().html()


@pytest.mark.long
def test_the_example_runs(monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("NOTEBOOK_SECONDS", "5")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE.parents[1]))
    notebook = nbformat.read(EXAMPLE, as_version=4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": "."}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert any("<svg" in output.get("data", {}).get("text/html", "") for output in shown)
    assert Path("bot.html").stat().st_size > 10_000
