"""The project's own sample: made-up sites in the exact form of a Stack Exchange dump, with known truth beside them.

`FOLDER/SITE/` holds the tables of a site, `FOLDER/truth/` the plants: `planted.jsonl` (one plant a line: `plant`,
`site`, `post_id`, and its details), `sample.json` (rows and posts of each site) and `benchmark.csv` (examples of which
some are in posts). Nothing in it was written by anyone: it may be used without attribution.
"""

import csv
import dataclasses
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socorpus.corpus.errors import InputError
from socorpus.corpus.sample.forms import (
    AREA51,
    DELETED,
    FORMS,
    MODERN,
    PIPES,
    PLAIN,
    SPRING2024,
    Record,
    SiteForm,
    Tables,
)
from socorpus.corpus.sample.plants import Planter, examples, jaccard, shingles
from socorpus.corpus.sample.site import Site
from socorpus.corpus.storage import json_lines

__all__ = [
    "AREA51",
    "DELETED",
    "DEMO",
    "FORMS",
    "MODERN",
    "PIPES",
    "PLAIN",
    "SPRING2024",
    "SiteForm",
    "SiteTruth",
    "Truth",
    "jaccard",
    "load",
    "pack",
    "shingles",
    "write",
]

DEMO = (MODERN, AREA51, PIPES)
"""Forms of the sites of a sample where nothing else is asked for."""
THREADS = 1500
"""Threads of a sample where nothing else is asked for."""
_TRUTH = "truth"
_PARTIAL = ".partial"


@dataclass(frozen=True)
class SiteTruth:
    """The contents of one written site."""

    site: str
    rows: dict[str, int]
    """Table -> rows in the XML, those that can't be read among them."""
    unreadable: dict[str, int]
    """Table -> rows that can't be read; tables without one are left out."""
    posts: dict[int, int]
    """PostTypeId -> posts that can be read."""
    bytes: int
    files: dict[str, str]
    """Table -> name of its file."""


@dataclass(frozen=True)
class Truth:
    """The contents of a sample."""

    folder: Path
    seed: int
    sites: tuple[SiteTruth, ...]

    @property
    def benchmark(self) -> Path:
        """The benchmark file, columns Title and Body."""
        return self.folder / _TRUTH / "benchmark.csv"

    def planted(self, plant: str | None = None) -> Iterator[Record]:
        """The plants, or those of one name, in the order in which they were made."""
        with (self.folder / _TRUTH / "planted.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if plant is None or record["plant"] == plant:
                    yield record


def write(
    folder: Path,
    *,
    threads: int | None = None,
    size_mb: int | None = None,
    seed: int = 1,
    sites: Sequence[SiteForm] = DEMO,
) -> Truth:
    """Write a sample of `threads` threads, or of about `size_mb` MB of XML, in equal parts over the sites.

    The bytes are a function of the arguments. Memory does not grow with the size. A site of 400 threads or more has
    every plant that its form allows. Everything is written under a hidden name, which no build reads, and appears when
    it is whole.

    Raises:
        InputError: both sizes given, a size below 1, no site or two of one name, or a folder that holds something else.
    """
    if threads is not None and size_mb is not None:
        raise InputError("give either the number of threads or the size in megabytes, not both")
    if not sites or len({form.site for form in sites}) < len(sites):
        raise InputError(f"a sample needs sites of different names, not {[form.site for form in sites]}")
    if (threads is not None and threads < len(sites)) or (size_mb is not None and size_mb < 1):
        raise InputError(
            f"a sample needs at least one thread a site, or 1 MB; got threads={threads}, size_mb={size_mb}"
        )
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / _TRUTH).is_dir())):
        raise InputError(f"{folder}: holds something that is no sample; name a new or empty folder")
    threads = THREADS if threads is None and size_mb is None else threads
    again = folder.is_dir()
    partial = folder / _PARTIAL if again else folder.absolute().with_name(f".{folder.name}{_PARTIAL}")
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of one that was killed
        truth = _written(partial, threads, size_mb, seed, sites)
        if again:
            _switch(partial, folder)
        else:
            partial.replace(folder)
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError):
            # The user knows no hidden name; a write that fails has no name at all.
            error.filename = str(error.filename or folder).replace(f"{partial}", f"{folder}")
        raise
    return dataclasses.replace(truth, folder=folder)


def _switch(partial: Path, folder: Path) -> None:
    """Put the tables and the truth of a new sample in place of an earlier one's, a folder at a time."""
    (folder / _TRUTH / "sample.json").unlink(missing_ok=True)  # a sample that has it is whole
    for new in sorted(partial.iterdir(), key=lambda path: path.name == _TRUTH):
        old = partial / f"{new.name}.old"
        if (folder / new.name).exists():
            (folder / new.name).rename(old)
        new.rename(folder / new.name)
    shutil.rmtree(partial)


def _written(folder: Path, threads: int | None, size_mb: int | None, seed: int, sites: Sequence[SiteForm]) -> Truth:
    (folder / _TRUTH).mkdir(parents=True)
    benchmark = examples(seed)
    planter, written = Planter(benchmark), []
    with (folder / _TRUTH / "planted.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        for i, form in enumerate(sites):
            share = None if threads is None else threads // len(sites) + (i < threads % len(sites))
            size = None if size_mb is None else size_mb * 1_000_000 // len(sites)
            written.append(_site(folder, form, share, size, f"{seed}:{form.site}", planter, lines.write))
    truth = Truth(folder, seed, tuple(written))
    with truth.benchmark.open("w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(("Title", "Body"))
        table.writerows((example.title, example.body) for example in benchmark)
    summary = {"seed": seed, "sites": [dataclasses.asdict(site) for site in written]}
    (folder / _TRUTH / "sample.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return truth


def load(folder: Path) -> Truth:
    """The truth of a sample that was written before.

    Raises:
        InputError: the folder holds no sample.
    """
    try:
        summary = json.loads((folder / _TRUTH / "sample.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{folder}: holds no sample; write one with `socorpus sample {folder}`") from None
    sites = [
        SiteTruth(**site | {"posts": {int(kind): count for kind, count in site["posts"].items()}})
        for site in summary["sites"]
    ]
    return Truth(folder, summary["seed"], tuple(sites))


def pack(folder: Path, archive: Path, codec: str = "bzip2") -> None:
    """Pack the tables of a site as a `.7z` of flat names, solid, as the publisher does.

    Raises:
        InputError: the codec is neither "bzip2" nor "lzma2", or the folder has no XML file.
    """
    import py7zr

    filters: dict[str, list[dict[str, Any]]] = {
        "bzip2": [{"id": py7zr.FILTER_BZIP2}],
        "lzma2": [{"id": py7zr.FILTER_LZMA2, "preset": 3}],
    }
    if codec not in filters:
        raise InputError(f"codec {codec!r} is not known; there are {', '.join(filters)}")
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise InputError(f"{folder}: has no XML file to pack; name the folder of one site")
    with py7zr.SevenZipFile(archive, "w", filters=filters[codec]) as out:
        for file in files:
            out.write(file, file.name)


def _site(
    folder: Path, form: SiteForm, threads: int | None, size: int | None, seed: str, planter: Planter, line: Any
) -> SiteTruth:
    def truth(record: Record) -> None:
        line(json_lines.line({"plant": record["plant"], "site": form.site, **record}))

    with Tables(folder / form.site, form, truth) as tables:
        site = Site(form, tables, seed, truth, planter)
        site.write(threads, size)
    rows, unreadable = tables.counts()
    files = {table: form.file(table) for table in form.tables}
    return SiteTruth(form.site, dict(rows), dict(unreadable), dict(sorted(site.types.items())), tables.size(), files)
