"""What is given to others (docs/trust.md) names no folder of the machine that made it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from tests.building import socorpus
from tests.conftest import Once
from tests.training import runs

OWN = (".work", "dump")
"""What is not for others: unfinished work, and here the source of the corpus."""


def _shared(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not set(path.relative_to(root).parts) & set(OWN):
            yield path


def _content(path: Path) -> bytes:
    """All bytes of a file, those of Parquet decompressed."""
    if path.suffix != ".parquet":
        return path.read_bytes()
    file = pq.ParquetFile(path)
    return path.read_bytes() + repr((file.read().to_pylist(), file.schema_arrow, file.metadata.metadata)).encode()


def test_no_shared_file_names_a_folder_of_its_builder(once: Once, tmp_path: Path) -> None:
    from socorpus.corpus.sample import writer as sample_writer

    def build(folder: Path) -> None:
        root = folder / "marker-of-the-builder"
        truth = sample_writer.write(root / "dump", threads=60, sites=(sample_writer.MODERN,))
        plugin = root / "signal.py"
        shutil.copyfile(Path(__file__).parent.parent / "examples" / "signal.py", plugin)
        toml = root / "build.toml"
        toml.write_text(f"[contamination]\nbenchmarks = ['{truth.benchmark}']\n[split]\nvalidation = 0.2\n", "utf-8")
        corpus = root / "corpus"
        socorpus("build", root / "dump", "-o", corpus, "--workers", 0, "--config", toml, "--plugin", plugin)
        runs.train(corpus, root / "run", runs.configure(folder, steps=2, checkpoint="steps = 1"), "--plugin", plugin)
        socorpus("export", root / "run", "-o", root / "model")
        socorpus("publish", corpus, "-o", root / "published", "--plugin", plugin)
        for task, form in (("closure", "jsonl"), ("closure", "huggingface"), ("entities", "conll")):
            out = root / f"labels-{task}-{form}"
            socorpus("labeling", "export", corpus, "--task", task, "--format", form, "-o", out, "--plugin", plugin)

    root = once("marked", build) / "marker-of-the-builder"
    folders = (
        "corpus",
        "run",
        "model",
        "published",
        "labels-closure-jsonl",
        "labels-closure-huggingface",
        "labels-entities-conll",
    )
    seen = {folder: list(_shared(root / folder)) for folder in folders}
    assert all(seen.values())
    named = [path for paths in seen.values() for path in paths if b"marker-of-the-builder" in _content(path)]
    assert not named, [str(path.relative_to(root)) for path in named]
    # Nor does a run need those folders: it goes with its corpus.
    for folder in ("corpus", "run"):
        shutil.copytree(root / folder, tmp_path / "moved" / folder)
    socorpus("export", tmp_path / "moved" / "run", "-o", tmp_path / "model")
