"""The report's figures beyond the manifest: distributions, and samples drawn by a hash of the key.

Light columns are read bucket by bucket; texts only of the samples. A bucket is a hash of the thread, so the first
buckets of a very large site are a fair sample of it; the summary then names the share. Memory stays bounded.
"""

import heapq
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import arrays, schema
from socorpus.corpus.privacy import display
from socorpus.corpus.privacy.display import Shown
from socorpus.corpus.storage import files, manifest_file, parquet, row_lookup
from socorpus.corpus.storage.row_lookup import Place

Ints = npt.NDArray[np.int64]

MOST_DOCUMENTS = 4_000_000
"""Documents of one site whose columns are read for the distributions."""
MOST_GROUPS = 256
"""Row groups of one split whose tokens are read."""
DRAWN = 20
"""Samples of each rule and each kind of finding."""
WORDS = 20_000
"""Longer texts are counted as ones of this many words."""
SCORES = (-20, 200)
"""Scores beyond are counted as the nearer of these."""
LENGTHS = 65_536
"""Longer documents are counted as ones of this many tokens."""


@dataclass(frozen=True)
class Sample:
    """One document that was drawn: its place, the reason and evidence of its decision, and its redacted text."""

    place: Place
    reason: str | None
    evidence: Mapping[str, Any]
    shown: Shown
    url: str | None


@dataclass(frozen=True)
class Finding:
    """One personal datum or secret that was drawn: its placeholder with the text around it."""

    kind: str
    key: str
    before: str
    placeholder: str
    after: str


@dataclass(frozen=True)
class Distributions:
    """Counts over documents. Arrays are int64; index i of `words` counts the documents of i words, kept and all."""

    documents: int = 0
    words: Ints = field(default_factory=lambda: np.zeros((2, WORDS + 1), np.int64))
    """[all, kept][words]"""
    scores: Ints = field(default_factory=lambda: np.zeros((2, SCORES[1] - SCORES[0] + 1), np.int64))
    """[questions, answers][score - SCORES[0]]"""
    code: Ints = field(default_factory=lambda: np.zeros(21, np.int64))
    """Documents without code, then by twentieths of the share of code."""
    years: Mapping[str, Counter[int]] = field(default_factory=dict)
    """Kind -> year -> documents."""
    tags: Counter[str] = field(default_factory=Counter)
    """Tag -> questions."""
    similar: Ints = field(default_factory=lambda: np.zeros(50, np.int64))
    """Near duplicates by similarity with their survivor, in hundredths from 0.5 on."""
    spans: Mapping[str, tuple[datetime, datetime]] = field(default_factory=dict)
    """Site -> the dates of its oldest and newest document."""
    sites: Mapping[str, tuple[Counter[int], Counter[int]]] = field(default_factory=dict)
    """Site -> (year -> documents kept, year -> documents dropped)."""
    dropped: Mapping[str, Counter[int]] = field(default_factory=dict)
    """Reason -> year of the post -> documents dropped."""
    personal: Mapping[str, Counter[int]] = field(default_factory=dict)
    """Kind of personal data -> year of the post -> findings."""


@dataclass(frozen=True)
class Tokens:
    """Lengths in tokens by split; `used` of `entries` vocabulary entries occur in the validation split."""

    lengths: Mapping[str, Ints]
    """Split -> index i counts documents of i tokens (of those read)."""
    used: int
    validation: int
    """Tokens of the validation split that were read."""
    longest: tuple[tuple[str, int], ...]
    """Keys and lengths of the longest documents read, the longest first."""
    sampled: bool
    """Whether only some row groups were read."""


@dataclass(frozen=True)
class Summary:
    """Everything that was gathered."""

    distributions: Distributions
    dropped: Mapping[str, tuple[Sample, ...]]
    """Reason -> samples."""
    survivors: Mapping[str, Sample]
    """Key -> the post that stayed, for each sample that names one."""
    findings: Mapping[str, tuple[Finding, ...]]
    """Kind -> samples."""
    benchmarks: Counter[str]
    """Benchmark file -> documents that overlap with one of its examples."""
    overlapping: tuple[Sample, ...]
    """The documents with the largest overlap; `evidence` is their row of the signal."""
    quarantined: tuple[tuple[Mapping[str, Any], str], ...]
    """Rows of quarantine (without `row`), each with its raw row as it may be shown."""
    tokens: Tokens
    sampled: Mapping[str, float]
    """Site -> the share of its documents that was read, for sites of which not all were."""


class _Drawn:
    """The `most` things with the smallest hashes, by name: a fair draw that is the same in every run."""

    def __init__(self, most: int):
        self.most = most
        self._heaps: dict[str, list[tuple[int, str, Any]]] = {}

    def offer(self, name: str, hashes: npt.NDArray[np.uint64], rows: Ints, make: Any) -> None:
        """Draw among rows with these hashes; `make(row)` gives key and value of one that is drawn."""
        heap = self._heaps.setdefault(name, [])
        for index in np.argsort(hashes, kind="stable")[: self.most].tolist():
            number = int(hashes[index])
            if len(heap) == self.most and number >= -heap[0][0]:
                break
            key, value = make(int(rows[index]))
            entry = (-number, key, value)
            if len(heap) < self.most:
                heapq.heappush(heap, entry)
            else:
                heapq.heapreplace(heap, entry)

    def drawn(self) -> dict[str, list[Any]]:
        """The drawn values, in the order of the hashes."""
        return {
            name: [value for _, _, value in sorted(heap, key=lambda entry: (-entry[0], entry[1]))]
            for name, heap in sorted(self._heaps.items())
        }


def gather(root: Path, facts: Mapping[str, Any]) -> Summary:
    """Read the report's figures from the corpus at `root`, whose manifest is `facts`."""
    counted = _Counting()
    dropped, findings = _Drawn(DRAWN), _Drawn(DRAWN)
    benchmarks: Counter[str] = Counter()
    best: list[tuple[float, Place, dict[str, Any]]] = []
    sampled: dict[str, float] = {}
    for site in facts["sites"]:
        read, every = 0, facts["sites"][site]["documents"]
        for path in manifest_file.tables(root, f"documents/{site}", facts):
            if read >= MOST_DOCUMENTS:
                break
            bucket = f"{site}/{path.stem}"
            read += counted.add(root, site, bucket)
            _draw_dropped(root, bucket, dropped)
            _draw_findings(root, bucket, findings)
            best = _overlapping(root, bucket, benchmarks, best)
        if read < every:
            sampled[site] = read / every
    lost = {name: _samples(root, places) for name, places in dropped.drawn().items()}
    survivors = [
        sample.evidence["survivor"] for samples in lost.values() for sample in samples if "survivor" in sample.evidence
    ]
    stayed = row_lookup.find(root, survivors)
    hits = _samples(root, [(place, None, row) for _, place, row in best])
    return Summary(
        counted.distributions(),
        lost,
        {sample.place.key: sample for sample in _samples(root, [(p, None, {}) for p in stayed.values()])},
        _findings(root, findings.drawn()),
        benchmarks,
        hits,
        tuple(_quarantined(root, facts["sites"])),
        _tokens(root, facts),
        sampled,
    )


class _Counting:
    """Adds up the distributions, bucket by bucket."""

    def __init__(self) -> None:
        self.sums = Distributions(years={"question": Counter(), "answer": Counter()})
        self.documents = 0
        self.sites: dict[str, tuple[Counter[int], Counter[int]]] = {}
        self.dropped: dict[str, Counter[int]] = {}
        self.personal: dict[str, Counter[int]] = {}
        self.dates: dict[str, tuple[datetime, datetime]] = {}

    def add(self, root: Path, site: str, bucket: str) -> int:
        """Count one bucket; returns its number of documents."""
        rows = _columns(root, "documents", bucket, ["kind", "created", "score", "tags"])
        marks = _columns(root, "signals/statistics", bucket, ["words", "code_share"])
        decided = _columns(root, "decisions", bucket, ["keep", "reason"])
        keep = np.asarray(decided["keep"])
        sums, n = self.sums, rows.num_rows
        if not n:
            return 0
        words = np.minimum(np.asarray(marks["words"], dtype=np.int64), WORDS)
        sums.words[0] += np.bincount(words, minlength=WORDS + 1)
        sums.words[1] += np.bincount(words[keep], minlength=WORDS + 1)
        question = np.asarray(pc.equal(rows["kind"], "question"))
        scores = np.clip(np.asarray(rows["score"], dtype=np.int64), *SCORES) - SCORES[0]
        for place, mask in enumerate((question, ~question)):
            sums.scores[place] += np.bincount(scores[mask], minlength=sums.scores.shape[1])
        share = np.asarray(marks["code_share"], dtype=np.float64)
        sums.code[:] += np.bincount(
            np.where(share > 0, np.clip(np.ceil(share * 20), 1, 20), 0).astype(int), minlength=21
        )
        years = np.asarray(pc.year(rows["created"]), dtype=np.int64)
        for kind, mask in (("question", question), ("answer", ~question)):
            sums.years[kind].update(_by_year(years[mask]))
        for counter, mask in zip(self.sites.setdefault(site, (Counter(), Counter())), (keep, ~keep), strict=True):
            counter.update(_by_year(years[mask]))
        for reason, mask in _masks(decided["reason"]):
            self.dropped.setdefault(reason, Counter()).update(_by_year(years[mask]))
        spans = _columns(root, "signals/privacy", bucket, ["spans"])["spans"].combine_chunks()
        of_spans = years[np.asarray(pc.list_parent_indices(spans), dtype=np.int64)]
        for kind, mask in _masks(pc.struct_field(pc.list_flatten(spans), "kind")):
            self.personal.setdefault(kind, Counter()).update(_by_year(of_spans[mask]))
        tags = pc.list_flatten(rows["tags"].filter(pa.array(question)))
        sums.tags.update({pair["values"]: pair["counts"] for pair in pc.value_counts(tags).to_pylist()})
        ends = pc.min_max(rows["created"]).as_py()
        old = self.dates.get(site, (ends["min"], ends["max"]))
        self.dates[site] = (min(old[0], ends["min"]), max(old[1], ends["max"]))
        near = _columns(root, "signals/near", bucket, ["jaccard"])["jaccard"].drop_null()
        sums.similar[:] += np.histogram(np.asarray(near, dtype=np.float64), bins=50, range=(0.5, 1.0))[0]
        self.documents += n
        return n

    def distributions(self) -> Distributions:
        """The counts so far."""
        sums = self.sums
        return Distributions(
            *(self.documents, sums.words, sums.scores, sums.code, sums.years, sums.tags, sums.similar, self.dates),
            *(self.sites, dict(sorted(self.dropped.items())), dict(sorted(self.personal.items()))),
        )


def _by_year(years: Ints) -> dict[int, int]:
    values, counts = np.unique(years, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _masks(column: pa.Array | pa.ChunkedArray) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Each text of a column, with the rows that have it."""
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = values.dictionary_encode()
    codes = np.asarray(pc.fill_null(encoded.indices, -1), dtype=np.int64)
    for number, text in enumerate(encoded.dictionary.to_pylist()):
        yield text, codes == number


def _columns(root: Path, folder: str, bucket: str, columns: Iterable[str]) -> pa.Table:
    return parquet.read(root / folder / f"{bucket}.parquet", columns=list(columns))


def _place(rows: pa.Table, bucket: str, row: int) -> Place:
    return Place(rows["site"][row].as_py(), rows["post_id"][row].as_py(), bucket, row)


def _hashes(rows: pa.Table, bucket: str) -> npt.NDArray[np.uint64]:
    salt = np.int64(zlib.crc32(bucket.partition("/")[0].encode()))
    return arrays.splitmix64(np.asarray(rows["post_id"], dtype=np.int64) ^ (salt << np.int64(31)))


def _draw_dropped(root: Path, bucket: str, drawn: _Drawn) -> None:
    rows = _columns(root, "decisions", bucket, ["site", "post_id", "reason", "evidence"])
    reasons = rows["reason"].combine_chunks().dictionary_encode()
    codes = np.asarray(pc.fill_null(reasons.indices, -1), dtype=np.int64)
    hashes = _hashes(rows, bucket)
    for number, reason in enumerate(reasons.dictionary.to_pylist()):
        here = np.flatnonzero(codes == number)

        def make(row: int, reason: str = reason) -> tuple[str, Any]:
            place = _place(rows, bucket, row)
            return place.key, (place, reason, json.loads(rows["evidence"][row].as_py() or "{}"))

        drawn.offer(reason, hashes[here], here, make)


def _draw_findings(root: Path, bucket: str, drawn: _Drawn) -> None:
    rows = _columns(root, "signals/privacy", bucket, ["site", "post_id", "spans"])
    spans = rows["spans"].combine_chunks()
    parents = np.asarray(pc.list_parent_indices(spans), dtype=np.int64)
    flat = pc.list_flatten(spans)
    in_text = np.asarray(pc.equal(pc.struct_field(flat, "field"), "text"))
    kinds = pc.struct_field(flat, "kind").dictionary_encode()
    codes, hashes = np.asarray(kinds.indices, dtype=np.int64), _hashes(rows, bucket)
    for number, kind in enumerate(kinds.dictionary.to_pylist()):
        here = np.unique(parents[(codes == number) & in_text])

        def make(row: int) -> tuple[str, Any]:
            place = _place(rows, bucket, row)
            return place.key, place

        drawn.offer(kind, hashes[here], here, make)


def _overlapping(
    root: Path, bucket: str, benchmarks: Counter[str], best: list[tuple[float, Place, dict[str, Any]]]
) -> list[tuple[float, Place, dict[str, Any]]]:
    rows = _columns(root, "signals/contamination", bucket, ["site", "post_id", "benchmark", "example", "overlap"])
    hits = np.flatnonzero(np.asarray(pc.is_valid(rows["benchmark"])))
    if not len(hits):
        return best
    matches = rows.take(pa.array(hits))
    benchmarks.update(matches["benchmark"].to_pylist())
    top = np.argsort(-np.asarray(matches["overlap"], dtype=np.float64), kind="stable")[: 2 * DRAWN]
    for index in top.tolist():
        row = matches.slice(index, 1).to_pylist()[0]
        place = Place(row.pop("site"), row.pop("post_id"), bucket, int(hits[index]))
        best.append((row["overlap"], place, row))
    return sorted(best, key=lambda entry: (-entry[0], entry[1].key))[: 2 * DRAWN]


_SHOWN = ["title", "text", "own_end", "segments", "url"]


def _samples(root: Path, chosen: Iterable[tuple[Place, str | None, Mapping[str, Any]]]) -> tuple[Sample, ...]:
    drawn = list(chosen)
    places = [place for place, _, _ in drawn]
    texts = row_lookup.take(root, places, "documents", _SHOWN)
    spans = row_lookup.take(root, places, "signals/privacy", ["spans"])
    shown = display.documents([texts[place.key] for place in places], [spans[place.key]["spans"] for place in places])
    return tuple(
        Sample(place, reason, evidence, text, texts[place.key]["url"])
        for (place, reason, evidence), text in zip(drawn, shown, strict=True)
    )


def _findings(root: Path, drawn: Mapping[str, list[Place]]) -> dict[str, tuple[Finding, ...]]:
    findings: dict[str, tuple[Finding, ...]] = {}
    for kind, places in drawn.items():
        of_kind = []
        for sample in _samples(root, [(place, None, {}) for place in places]):
            text = sample.shown.text
            start, end = next((s, e) for name, s, e in sample.shown.spans if name == kind)
            around = (text[max(0, start - 90) : start], text[end : end + 90])
            before, after = (re.sub(r"\s*\n\s*", "\n", part) for part in around)
            of_kind.append(Finding(kind, sample.place.key, before, text[start:end], after))
        findings[kind] = tuple(of_kind)
    return findings


def _quarantined(root: Path, sites: Iterable[str]) -> Iterable[tuple[Mapping[str, Any], str]]:
    # The first rows of each reason show more than many of one.
    seen: Counter[str] = Counter()
    for site in sites:
        path = root / "quarantine" / f"{site}.parquet"
        if not files.exists(path):
            continue
        for table in parquet.batches(path):
            for row in (
                table.select(["table", "reason"]).append_column("position", pa.array(range(len(table)))).to_pylist()
            ):
                group = f"{site} {row['table']} {row['reason'][:24]}"
                seen[group] += 1
                if seen[group] <= 2 and len(seen) <= 20:
                    full = table.slice(row["position"], 1).to_pylist()[0]
                    raw = full.pop("row")
                    yield full, display.text(raw[:4000].decode("utf-8", "replace"))


def _tokens(root: Path, facts: Mapping[str, Any]) -> Tokens:
    lengths: dict[str, Ints] = {}
    seen = np.zeros(65_536, bool)
    validation, sampled = 0, False
    longest: list[tuple[int, str]] = []
    for split in sorted(schema.SPLITS):
        paths = manifest_file.tables(root, f"shards/{split}", facts)
        if not paths:
            continue
        counts, read = np.zeros(LENGTHS + 1, np.int64), 0
        for path in paths:
            for number in range(len(parquet.row_groups(path))):
                # Shards are one shuffle: the first row groups are a fair sample.
                if read >= MOST_GROUPS:
                    sampled = True
                    break
                read += 1
                rows = parquet.read_group(path, number, ["site", "post_id", "input_ids"])
                sizes = np.asarray(pc.list_value_length(rows["input_ids"]), dtype=np.int64)
                counts += np.bincount(np.minimum(sizes, LENGTHS), minlength=LENGTHS + 1)
                top = rows.take(pa.array(np.argsort(-sizes, kind="stable")[:5]))
                keys = map(schema.key, top["site"].to_pylist(), top["post_id"].to_pylist())
                longest += zip(np.sort(-sizes)[:5].tolist(), keys, strict=True)
                longest = sorted(longest)[:5]
                if split == "validation":
                    ids = np.asarray(pc.list_flatten(rows["input_ids"]))
                    seen[ids] = True
                    validation += len(ids)
        lengths[split] = counts
    return Tokens(lengths, int(seen.sum()), validation, tuple((key, -size) for size, key in longest), sampled)


def median(counts: Ints, share: float = 0.5) -> int:
    """The smallest index up to which at least `share` of the counts lie."""
    total = int(counts.sum())
    return int(np.searchsorted(np.cumsum(counts), share * total)) if total else 0


def day(moment: datetime) -> str:
    """A date as it is written in the report."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
