"""The notebooks run from the first cell to the last, in a kernel of their own."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum(output.output_type in ("stream", "execute_result", "display_data") for output in shown) >= 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_is_kept_without_output_and_its_links_lead_somewhere(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None
        for target in re.findall(r"\]\(([^)\s#]+)", cell.source) if cell.cell_type == "markdown" else ():
            assert re.match(r"https?:", target) or (path.parent / target).exists(), target


def test_each_is_on_the_page_of_notebooks() -> None:
    page = (ROOT / "docs" / "tutorial" / "notebooks.md").read_text("utf-8")
    assert set(re.findall(r"notebooks/(\w+)\.ipynb", page)) == {path.stem for path in NOTEBOOKS}
