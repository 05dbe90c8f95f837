"""A built corpus held against what is known of its input: the sample's plants, and independent readings of real sites.

All is judged by what a user sees: the Parquet files, MANIFEST.json, report.html and `socorpus explain`.
"""

import html
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from lxml import etree
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from socorpus.corpus import schema
from socorpus.corpus.sample.writer import MODERN, Truth, jaccard, shingles, write
from socorpus.corpus.words import words
from tests.building import manifest, socorpus, table

Key = tuple[str, int]
Row = dict[str, Any]
DUPLICATES = ("exact_duplicate", "near_duplicate", "code_duplicate")
THRESHOLD = 0.8


def _key(record: Mapping[str, Any]) -> Key:
    return record["site"], record["post_id"]


def _parse(key: str) -> Key:
    site, _, number = key.rpartition(":")
    return site, int(number)


def _own(document: Row) -> str:
    return document["text"][: document["own_end"]]


@dataclass(frozen=True)
class Corpus:
    """The tables of a corpus by key, each read once."""

    folder: Path
    read: dict[str, dict[Key, Row]]

    def __getitem__(self, folder: str) -> dict[Key, Row]:
        if folder not in self.read:
            self.read[folder] = {_key(row): row for row in table(self.folder, folder).to_pylist()}
        return self.read[folder]

    def own(self, key: Key) -> str:
        return _own(self["documents"][key])

    def reason(self, key: Key) -> str | None:
        reason: str | None = self["decisions"][key]["reason"]
        return reason

    def evidence(self, key: Key) -> Row:
        facts: Row = json.loads(self["decisions"][key]["evidence"])
        return facts


@pytest.fixture(scope="module")
def corpus(built: Path) -> Corpus:
    return Corpus(built, {})


@pytest.fixture(scope="module")
def real(real_corpus: Path) -> Corpus:
    return Corpus(real_corpus, {})


# --- independent readings of a dump ----------------------------------------------------------------------------------

_ILLEGAL = re.compile(r"&#(?:x0*(?:[0-8bcef]|1[0-9a-f])|0*(?:[0-8]|1[124-9]|2\d|3[01]));", re.I)


def _rows(data: bytes) -> Iterator[dict[str, str]]:
    """The rows of an XML file that lxml can read one by one; references that XML forbids become U+FFFD."""
    text = data.decode("utf-16" if data[:2] == b"\xff\xfe" else "utf-8-sig")
    for row in re.findall(r"<row .*?/>", text, re.S):
        try:
            yield dict(etree.fromstring(_ILLEGAL.sub("\ufffd", row)).attrib)
        except etree.XMLSyntaxError:
            continue


@pytest.fixture(scope="module")
def sample_posts(sample: Truth) -> dict[Key, dict[str, str]]:
    """The posts of the sample, read from its XML."""
    return {
        (site.site, int(row["Id"])): row
        for site in sample.sites
        for row in _rows((sample.folder / site.site / site.files["posts"]).read_bytes())
        if row["Id"].isdigit()
    }


def _inside(element: Any, *names: str) -> bool:
    return any(parent.name in names for parent in element.parents)


def _same_markup(body: str, document: Row) -> list[str]:
    """What of a document differs from BeautifulSoup's reading of its body."""
    soup = BeautifulSoup(body, "lxml")
    own = [one for one in document["segments"] if one["start"] < document["own_end"]]
    found = defaultdict(list)
    for one in own:
        found[one["kind"]].append(document["text"][one["start"] : one["end"]])
    blocks = [text for one in soup.find_all("pre") if (text := one.get_text().strip("\n")).strip()]
    inline = [
        " ".join(text.split())
        for one in soup.find_all("code")
        if not _inside(one, "pre", "code") and (text := one.get_text()).strip()
    ]
    wrong = []
    # Superscripts and subscripts are marked by signs, and parentheses where they are long.
    signs = {ord(sign): None for sign in "^_()"} if soup.find(["sup", "sub"]) else {}
    if "".join(soup.get_text().translate(signs).split()) != "".join(_own(document).translate(signs).split()):
        wrong.append("text")
    if [text.strip("\n") for text in found["code"]] != blocks:
        wrong.append("code")
    if [" ".join(text.split()) for text in found["inline_code"]] != inline:
        wrong.append("inline_code")
    return wrong


def _check_segments(documents: Mapping[Key, Row]) -> None:
    for key, document in documents.items():
        end = 0
        for one in document["segments"]:
            assert one["kind"] in schema.SEGMENT_KINDS
            assert end <= one["start"] < one["end"] <= len(document["text"]), key
            assert document["text"][one["start"] : one["end"]].strip(), key
            assert not document["text"][end : one["start"]].strip(), f"{key}: text that no segment has"
            # A segment is the post's own or a comment's, never both.
            assert (one["start"] < document["own_end"]) == (one["end"] <= document["own_end"]), key
            assert (one["id"] == key[1]) or one["start"] >= document["own_end"], key
            end = one["end"]
        assert not document["text"][end:].strip(), key


# --- secrets and personal data ---------------------------------------------------------------------------------------


def _value(record: Row) -> str:
    """A secret as its span has it: a mention keeps its sign."""
    value: str = record["value"]
    return value.removeprefix("@") if record["kind"] == "user" else value


def test_secrets_are_found_and_little_else_is(sample: Truth, corpus: Corpus) -> None:
    planted = Counter((*_key(r), r["kind"], _value(r)) for r in sample.planted("secret"))
    found = Counter(
        (*key, span["kind"], corpus["documents"][key][span["field"]][span["start"] : span["end"]])
        for key, row in corpus["signals/privacy"].items()
        for span in row["spans"]
    )
    assert len({kind for *_, kind, _ in planted}) == 8
    missed, extra = planted - found, found - planted
    by_kind = Counter(kind for *_, kind, _ in planted.elements())
    told = f"planted {by_kind}; missed {list(missed)[:20]}; not planted {list(extra)[:20]}"
    assert (planted & found).total() >= 0.95 * planted.total(), told
    assert (planted & found).total() >= 0.9 * found.total(), told
    # Mentions are many: the rest must hold without them too.
    assert sum(n for (*_, kind, _), n in missed.items() if kind != "user") <= 0.05 * (
        by_kind.total() - by_kind["user"]
    ), told


def test_what_only_looks_like_a_secret_stays(sample: Truth, corpus: Corpus) -> None:
    seen = set()
    for record in sample.planted("harmless"):
        key = _key(record)
        text = corpus["documents"][key]["text"]
        start = text.index(record["value"])
        stop = start + len(record["value"])
        spans = [span for span in corpus["signals/privacy"][key]["spans"] if span["field"] == "text"]
        assert not [span for span in spans if span["start"] < stop and span["end"] > start], record
        if corpus["decisions"][key]["keep"]:
            assert record["value"] in corpus["shards"][key]["text"]
            seen.add(record["looks_like"])
    assert len(seen) >= 5


def test_no_secret_is_published(sample: Truth, built: Path, corpus: Corpus) -> None:
    planted = list(sample.planted("secret"))
    shards = "\n".join(f"{row['title']}\n{row['text']}" for row in corpus["shards"].values())
    pairs = table(built, "pairs").select(["code", "title", "before", "after"])
    blocks = "\n".join(str(text) for column in pairs.columns for text in column.to_pylist())
    report = html.unescape((built / "report.html").read_text("utf-8"))
    values = {line for r in planted if r["kind"] != "user" for line in r["value"].split("\n") if "-----" not in line}
    assert len(values) > 100
    for place, text in (("shards", shards), ("pairs", blocks), ("report", report)):
        assert not [value for value in values if value in text], place
    # A name alone is no secret (it is the author's, to be named): its mention is.
    names = "|".join(sorted({re.escape(r["value"]) for r in planted if r["kind"] == "user"}, key=len, reverse=True))
    for place, text in (("shards", shards), ("pairs", blocks), ("report", report)):
        assert re.search(rf"(?:{names})\b", text) is None, place


def test_every_value_has_one_placeholder_of_its_kind(corpus: Corpus) -> None:
    replaced: Counter[str] = Counter()
    for key, row in corpus["signals/privacy"].items():
        if not corpus["decisions"][key]["keep"]:
            assert key not in corpus["shards"]
            continue
        for field in ("text", "title"):
            spans = sorted((s for s in row["spans"] if s["field"] == field), key=lambda s: s["start"])
            before, after = corpus["documents"][key][field], corpus["shards"][key][field]
            if not spans:
                assert before == after
                continue
            # What is between the spans stands as it was; a group catches each placeholder.
            places = [0, *(place for s in spans for place in (s["start"], s["end"])), len(before)]
            kept = [re.escape(before[places[i] : places[i + 1]]) for i in range(0, len(places), 2)]
            names = [rf"(\[{s['kind'].upper()}_\d+\])" for s in spans]
            made = re.fullmatch("".join(a + b for a, b in zip(kept, [*names, ""], strict=True)), after)
            assert made is not None, key
            values = [before[s["start"] : s["end"]] for s in spans]
            for value, other, one, two in (
                (values[i], values[j], made[i + 1], made[j + 1]) for i in range(len(spans)) for j in range(i)
            ):
                assert value != other or one == two, key
                assert value.casefold() == other.casefold() or one != two, key
            replaced.update(s["kind"] for s in spans)
    assert len(replaced) == 8


def test_offsets_of_the_shards_are_those_of_the_redacted_text(corpus: Corpus) -> None:
    _check_segments(corpus["shards"])
    for key, row in corpus["shards"].items():
        document = corpus["documents"][key]
        assert [s["kind"] for s in row["segments"]] == [s["kind"] for s in document["segments"]]
        if not corpus["signals/privacy"][key]["spans"]:
            assert row["segments"] == document["segments"]


# --- twins -----------------------------------------------------------------------------------------------------------


def _best(corpus: Corpus, members: set[Key]) -> Key:
    """The member that survives: accepted, then score, then oldest."""

    def order(key: Key) -> tuple[Any, ...]:
        row = corpus["documents"][key]
        return not row["accepted"], -row["score"], row["created"], schema.key(*key)

    return min(members, key=order)


def _groups(corpus: Corpus) -> list[set[Key]]:
    """Documents that are tied by an equal text or by a near-duplicate cluster."""
    names: dict[Any, int] = {}
    keys = list(corpus["documents"])
    ties = []
    for i, key in enumerate(keys):
        cluster = corpus["signals/near"][key]["cluster"]
        text = corpus["signals/exact"][key]["hash"] if corpus.own(key).strip() else None
        ties += [(i, names.setdefault(name, len(names))) for name in (text, cluster) if name is not None]
    rows, columns = np.array(ties).T
    size = len(keys) + len(names)
    _, labels = connected_components(csr_array((np.ones(len(ties)), (rows, columns + len(keys))), (size, size)))
    groups = defaultdict(set)
    for i, key in enumerate(keys):
        groups[labels[i]].add(key)
    return [group for group in groups.values() if len(group) > 1]


def _check_election(corpus: Corpus) -> int:
    """One of each group of twins is kept, the best of those that no other rule drops; how many were dropped."""
    dropped = set()
    for group in _groups(corpus):
        left = {key for key in group if corpus.reason(key) in (None, *DUPLICATES)}
        if not left:
            continue
        best = _best(corpus, left)
        assert {key for key in left if corpus["decisions"][key]["keep"]} == {best}, group
        for key in left - {best}:
            facts = corpus.evidence(key)
            assert _parse(facts["survivor"]) == best
            if "jaccard" in facts:
                assert facts["jaccard"] == pytest.approx(jaccard(corpus.own(key), corpus.own(best)), abs=1e-4)
            if corpus.reason(key) == "exact_duplicate":
                assert "".join(corpus.own(key).lower().split()) in {
                    "".join(corpus.own(other).lower().split()) for other in group - {key}
                }
            else:
                nearest = facts.get("link", facts["survivor"])
                similar = jaccard(corpus.own(key), corpus.own(_parse(nearest)))
                assert similar >= THRESHOLD
                assert facts.get("link_jaccard", facts.get("jaccard")) == pytest.approx(similar, abs=1e-4)
            dropped.add(key)
    assert dropped == {key for key in corpus["decisions"] if corpus.reason(key) in DUPLICATES}
    return len(dropped)


def test_of_every_group_of_twins_the_best_survives(corpus: Corpus) -> None:
    assert _check_election(corpus) > 100


def test_exact_duplicates_within_and_across_sites(sample: Truth, corpus: Corpus) -> None:
    exact = corpus["signals/exact"]
    for plant in ("exact_duplicate", "cross_site_duplicate"):
        records = list(sample.planted(plant))
        assert len(records) > 5
        for record in records:
            key, of = _key(record), _parse(record["of"])
            assert (key[0] == of[0]) == (plant == "exact_duplicate")
            assert exact[key]["hash"] == exact[of]["hash"]
            reasons = [corpus.reason(one) for one in (key, of)]
            assert reasons.count(None) <= 1
            assert "exact_duplicate" in reasons


def test_near_duplicates_above_and_below_the_threshold(sample: Truth, corpus: Corpus) -> None:
    near = corpus["signals/near"]
    told = 0
    for record in sample.planted("near_duplicate"):
        key, of = _key(record), _parse(record["of"])
        planted = record["jaccard"]
        assert jaccard(corpus.own(key), corpus.own(of)) == pytest.approx(planted, abs=1e-4)
        if not record["above"]:
            assert near[key]["cluster"] is None, record
            assert corpus.reason(key) not in DUPLICATES, record
            continue
        assert near[key]["cluster"] == near[of]["cluster"] is not None
        reasons = [corpus.reason(one) for one in (key, of)]
        assert reasons.count(None) <= 1
        if near[key]["survivor"] is not None:
            # The base may have exact copies; any of them is as similar.
            assert near[key]["link_jaccard"] == pytest.approx(planted, abs=1e-4)
        for one, other in ((key, of), (of, key)):
            if near[one]["survivor"] == schema.key(*other):
                assert near[one]["jaccard"] == pytest.approx(planted, abs=1e-4)
                facts = corpus.evidence(one)
                if facts["survivor"] == schema.key(*other):
                    assert facts.get("jaccard", planted) == pytest.approx(planted, abs=1e-4)
                    told += 1
    assert told > 5


def test_posts_without_a_twin_are_not_dropped_as_one(sample: Truth, corpus: Corpus) -> None:
    twins: set[Key] = set()
    code: set[Key] = set()
    for plant in ("exact_duplicate", "near_duplicate", "cross_site_duplicate", "copied_code"):
        for record in sample.planted(plant):
            twins |= {_key(record), _parse(record["of"])}
            code |= {_key(record), _parse(record["of"])} if plant == "copied_code" else set()
    assert {key for key in corpus["decisions"] if corpus.reason(key) in DUPLICATES} <= twins - code
    # An example that is the whole of several posts makes them twins, but they are dropped for it.
    twins |= {_key(record) for record in sample.planted("contamination") if record["share"] == 1}
    assert {key for key, row in corpus["signals/near"].items() if row["cluster"] is not None} <= twins - code
    assert {key for key, row in corpus["signals/near_code"].items() if row["cluster"] is not None} <= twins


def test_copied_code_is_told_and_kept(sample: Truth, built: Path, corpus: Corpus) -> None:
    records = list(sample.planted("copied_code"))
    for record in records:
        key, of = _key(record), _parse(record["of"])
        marks = [corpus["signals/near_code"][one] for one in (key, of)]
        assert marks[0]["cluster"] == marks[1]["cluster"] is not None
        assert all(mark["link_jaccard"] == 1 for mark in marks if mark["survivor"] is not None)
        assert any(mark["survivor"] is not None for mark in marks)
        assert corpus["signals/near"][key]["cluster"] is None
        assert corpus.reason(key) is None
    told = socorpus("explain", built, schema.key(*_key(records[0]))).stdout
    line = next(text for text in told.splitlines() if text.split()[:1] == ["near_code"])
    assert records[0]["of"] in told[told.index(line) :]


def test_explain_leads_from_a_twin_to_its_survivor(built: Path, corpus: Corpus) -> None:
    for reason in ("exact_duplicate", "near_duplicate"):
        key = next(key for key in corpus["decisions"] if corpus.reason(key) == reason)
        told = socorpus("explain", built, schema.key(*key)).stdout
        assert f"dropped: {reason}" in told
        assert f"{corpus.evidence(key)['survivor']} is kept" in told


# --- contamination ---------------------------------------------------------------------------------------------------


def test_benchmark_examples_are_kept_out(sample: Truth, corpus: Corpus) -> None:
    import csv

    with sample.benchmark.open(encoding="utf-8", newline="") as lines:
        examples = [f"{row['Title']} {row['Body']}" for row in csv.DictReader(lines)]
    planted = {}
    for record in sample.planted("contamination"):
        key, document = _key(record), corpus["documents"][_key(record)]
        planted[key] = record
        mark = corpus["signals/contamination"][key]
        grams = shingles(examples[record["example"]], 13)
        held = grams & shingles(f"{document['title']} {document['text']}", 13)
        assert (mark["benchmark"], mark["example"]) == (sample.benchmark.name, record["example"])
        assert mark["overlap"] == pytest.approx(len(held) / len(grams), abs=1e-4)
        if record["share"] > 0.5:
            assert corpus.reason(key) == "contaminated"
            facts = corpus.evidence(key)
            assert (facts["benchmark"], facts["example"]) == (sample.benchmark.name, record["example"])
            assert facts["overlap"] == pytest.approx(mark["overlap"], abs=1e-4)
        else:
            assert 0 < mark["overlap"] <= 0.5
            assert corpus.reason(key) is None
    assert Counter(record["share"] > 0.5 for record in planted.values()).keys() == {True, False}
    assert {key for key in corpus["decisions"] if corpus.reason(key) == "contaminated"} <= planted.keys()


# --- drift -----------------------------------------------------------------------------------------------------------


def test_tags_titles_and_licences_are_those_of_the_xml(
    sample: Truth, corpus: Corpus, sample_posts: dict[Key, dict[str, str]]
) -> None:
    forms = set()
    for key, document in corpus["documents"].items():
        row = sample_posts[key]
        if document["kind"] == "question" and "Tags" in row:
            forms.add((key[0], row["Tags"][0]))
            assert document["tags"] == re.findall(r"[^<>|]+", row["Tags"]), key
            assert document["title"] == row["Title"]
        date = row["CreationDate"]
        by_date = "2.5" if date < "2011-04-08" else "3.0" if date < "2018-05-02" else "4.0"
        assert document["license"] == row.get("ContentLicense", f"CC BY-SA {by_date}"), key
    assert {sign for _, sign in forms} == {"<", "|"}
    assert len(forms) == len(sample.sites)
    assert manifest(corpus.folder)["licenses"] == Counter(row["license"] for row in corpus["documents"].values())


def test_faults_are_counted_and_repaired(sample: Truth, built: Path, corpus: Corpus) -> None:
    sites = manifest(built)["sites"]
    unknown: dict[str, Counter[str]] = defaultdict(Counter)
    for record in sample.planted("unknown_attribute"):
        unknown[record["site"]].update(record["attributes"].keys())
    orphans = Counter((r["site"], r["table"]) for r in sample.planted("orphan"))
    types = Counter((r["site"], str(r["post_type"])) for r in sample.planted("other_type"))
    illegal = Counter(r["site"] for r in sample.planted("illegal_reference"))
    for site in (one.site for one in sample.sites):
        facts = sites[site]
        assert facts["unknown_attributes"] == {"posts": unknown[site]}
        for name in ("comments", "votes"):
            assert facts["orphans"].get(name, 0) == orphans[site, name] > 0
        assert {kind: facts["post_types"][kind] for kind in ("6", "7")} == {k: types[site, k] for k in ("6", "7")}
        assert facts["repaired"]["posts"] == illegal[site] > 0
    for record in sample.planted("illegal_reference"):
        assert "The log has a \ufffd and then a \ufffd before the end." in corpus.own(_key(record))
    for record in sample.planted("orphan"):
        if record["table"] == "posts":
            document = corpus["documents"][_key(record)]
            assert (document["thread_id"], document["title"]) == (record["parent"], None)
        else:
            assert _key(record) not in corpus["documents"]


def test_rows_that_are_no_posts_of_people_are_dropped_with_a_reason(sample: Truth, corpus: Corpus) -> None:
    fabricated = {_key(record) for record in sample.planted("fabricated")}
    deleted = {_key(record) for record in sample.planted("deleted")}
    empty = {_key(record) for record in sample.planted("odd") if record["form"] == "empty"}
    assert fabricated
    assert deleted
    assert {key for key in corpus["decisions"] if corpus.reason(key) == "fabricated"} == fabricated
    assert {key for key in corpus["decisions"] if corpus.reason(key) == "empty"} == deleted | empty
    # Nor can any of them be another post's survivor.
    for key in fabricated | deleted:
        assert key not in corpus["shards"]


def test_unreadable_rows_are_kept_with_their_place(sample: Truth, built: Path) -> None:
    planted = Counter((r["site"], r["table"], r["file"], r["row"]) for r in sample.planted("unreadable"))
    found: Counter[tuple[str, str, str, str]] = Counter()
    files: dict[str, bytes] = {}
    for row in table(built, "quarantine").to_pylist():
        path = sample.folder / row["file"]
        data = files.get(row["file"]) or path.read_bytes()
        if data[:2] == b"\xff\xfe":
            # Offsets are those of the decoded stream, byte order mark included.
            data = data.decode("utf-16-le").encode()
        files[row["file"]] = data
        assert data[row["offset"] :].startswith(row["row"]), row
        assert len(row["reason"]) > 10
        found[row["site"], row["table"], path.name, row["row"].decode()] += 1
    assert found == planted
    assert {site.site for site in sample.sites} == {site for site, *_ in planted}


def test_odd_texts_arrive_as_they_were(sample: Truth, corpus: Corpus) -> None:
    expected = {
        "non_bmp": "A file \U0001f4c1 of \U0001d4b3\U00020bb7 with \U0001f468‍\U0001f469‍\U0001f467 \U0001f600.",
        "combining": "The cafe\u0301 in Zu\u0308rich sells cre\u0300me bru\u0302le\u0301e.",
    }
    seen = Counter()
    for record in sample.planted("odd"):
        key, form = _key(record), record["form"]
        if form in expected:
            assert expected[form] in corpus.own(key)
            assert corpus.reason(key) is not None or expected[form] in corpus["shards"][key]["text"]
        elif form == "tabs":
            # A tab by reference stays one; a raw one is a blank, as XML 1.0 (section 3.3.3) has it.
            assert re.search(r"block:\n[\t ]one\n[\t ]\ttwo\n", corpus.own(key)) is not None
        elif form == "owner_community":
            assert corpus["documents"][key]["author_id"] == -1
        elif form == "owner_bot":
            assert corpus["documents"][key]["author_id"] == -2
        seen[form] += 1
    assert {"non_bmp", "combining", "tabs", "owner_community", "owner_bot"} <= seen.keys()


# --- natural language ------------------------------------------------------------------------------------------------


def test_other_languages_are_recognised(sample: Truth, corpus: Corpus) -> None:
    planted = {_key(record): record["language"] for record in sample.planted("language")}
    found = {key: row["language"] for key, row in corpus["signals/language"].items()}
    assert len(set(planted.values())) == 7
    assert sum(found[key] == language for key, language in planted.items()) >= 0.95 * len(planted)
    others = [language for key, language in found.items() if key not in planted and language is not None]
    assert sum(language == "en" for language in others) >= 0.99 * len(others)
    for key in planted:
        assert key not in corpus["shards"] or _own(corpus["shards"][key]) == corpus.own(key)


def test_other_languages_are_dropped_where_one_is_asked_for(tmp_path: Path) -> None:
    truth = write(tmp_path / "dump", threads=400, sites=(MODERN,))
    toml = tmp_path / "socorpus.toml"
    toml.write_text("[selection]\nlanguages = ['en']\n", "utf-8")
    socorpus("build", truth.folder, "-o", tmp_path / "out", "--workers", 0, "--config", toml)
    chosen = Corpus(tmp_path / "out", {})
    planted = {_key(record): record["language"] for record in truth.planted("language")}
    assert len(set(planted.values())) == 7
    dropped = {key for key in chosen["decisions"] if chosen.reason(key) == "language"}
    assert len(planted.keys() & dropped) >= 0.95 * len(planted)
    assert len(dropped - planted.keys()) <= 0.01 * len(chosen["decisions"])
    for key in planted.keys() & dropped:
        facts = chosen.evidence(key)
        assert facts["language"] == planted[key]
        assert facts["probability"] >= 0.5


# --- segments --------------------------------------------------------------------------------------------------------


def test_segments_are_the_code_that_was_planted(sample: Truth, corpus: Corpus) -> None:
    records = [r for r in sample.planted() if r["plant"] == "copied_code" or (r["plant"] == "secret" and r.get("code"))]
    assert {record["plant"] for record in records} == {"copied_code", "secret"}
    for record in records:
        document = corpus["documents"][_key(record)]
        kind = "inline_code" if record.get("field") == "comment" else "code"
        slices = [document["text"][s["start"] : s["end"]] for s in document["segments"] if s["kind"] == kind]
        if record["plant"] == "copied_code":
            # A raw tab in an attribute is a blank to XML.
            assert record["code"].replace("\t", " ").strip("\n") in [code.strip("\n") for code in slices]
        elif "\n" not in record["value"] or kind == "code":
            assert any(record["value"] in code for code in slices), record


def test_documents_equal_beautifulsoups_reading(corpus: Corpus, sample_posts: dict[Key, dict[str, str]]) -> None:
    _check_segments(corpus["documents"])
    wrong = {
        key: differs
        for key, document in corpus["documents"].items()
        if (differs := _same_markup(sample_posts[key].get("Body", ""), document))
    }
    assert not wrong


# --- real sites ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A real site, read without the product."""

    rows: dict[str, int]
    posts: dict[int, dict[str, str]]


@pytest.fixture(scope="module")
def real_sites(real: Corpus, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Site]:
    """Every site of the real data by the name that the corpus gives it: rows a table, and posts."""
    import py7zr

    unpacked = tmp_path_factory.mktemp("archives")
    for archive in (real_data / "archives").glob("*.7z"):
        with py7zr.SevenZipFile(archive) as members:
            members.extractall(unpacked / archive.name)
    named, seen, found = manifest(real.folder)["sources"], set(), {}
    for source in named:
        (path,) = {
            path
            for folder in ("dumps", "archives")
            for path in (real_data / folder).rglob(Path(source["file"]).name)
            if str(path).endswith(f"/{source['file']}")
        }
        path = unpacked / path.name / source["member"] if path.suffix == ".7z" else path
        data = path.read_bytes()
        site = found.setdefault(source["site"], Site({}, {}))
        site.rows[source["table"]] = len(re.findall(rb"<row ", data))
        if source["table"] == "posts":
            site.posts.update({int(row["Id"]): row for row in _rows(data)})
        seen.add(path)
    assert seen == {*unpacked.rglob("*.xml"), *(real_data / "dumps").rglob("*.xml")}, "a table was overlooked"
    return found


def test_real_rows_and_documents_are_all_accounted_for(real: Corpus, real_sites: dict[str, Site]) -> None:
    facts = manifest(real.folder)["sites"]
    documents = Counter(site for site, _ in real["documents"])
    assert facts.keys() == real_sites.keys()
    for name, site in real_sites.items():
        got = facts[name]
        read = {t: got["rows"].get(t, 0) + got["quarantined_by_table"].get(t, 0) for t in site.rows}
        assert read == site.rows, name
        types = Counter(row["PostTypeId"] for row in site.posts.values())
        assert got["post_types"] == types, name
        assert got["documents"] == documents[name] == types["1"] + types["2"], name
        assert got["documents"] == got["kept"] + sum(got["dropped"].values()), name


def test_real_texts_equal_beautifulsoups_reading(real: Corpus, real_sites: dict[str, Site]) -> None:
    _check_segments(real["documents"])
    assert real["documents"]
    wrong = {
        key: differs
        for key, document in real["documents"].items()
        if (differs := _same_markup(real_sites[key[0]].posts[key[1]].get("Body", ""), document))
    }
    assert not wrong, f"{len(wrong)} of {len(real['documents'])}: {list(wrong.items())[:10]}"


def _pairs(texts: list[str]) -> dict[tuple[int, int], float]:
    """All pairs of texts whose exact Jaccard similarity on 5-word shingles reaches the threshold."""
    numbers: dict[tuple[str, ...], int] = {}
    sets = [{numbers.setdefault(one, len(numbers)) for one in shingles(text) if one} for text in texts]
    sizes = np.array([len(one) for one in sets])
    columns = np.concatenate([np.fromiter(one, np.int64, len(one)) for one in sets])
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    holds = csr_array((np.ones(len(columns), np.int32), columns, offsets), (len(texts), len(numbers)))
    common = (holds @ holds.T).tocoo()
    a, b = common.coords
    similar = common.data / (sizes[a] + sizes[b] - common.data)
    chosen = (a < b) & (similar >= THRESHOLD)
    return dict(zip(zip(a[chosen].tolist(), b[chosen].tolist(), strict=True), similar[chosen].tolist(), strict=True))


def test_real_near_duplicates_are_those_of_all_pairs(real: Corpus) -> None:
    keys = list(real["documents"])
    pairs = _pairs([real.own(key) for key in keys])
    near = [real["signals/near"][key] for key in keys]
    assert pairs

    def tokens(number: int) -> list[str]:
        return words.tokens(real.own(keys[number]))

    for name in sorted({site for site, _ in keys}):
        # Those of equal tokens are copies for sure; others may be parted by what words do not show.
        own = [(a, b) for a, b in pairs if name in (keys[a][0], keys[b][0]) and tokens(a) == tokens(b)]
        found = sum(near[a]["cluster"] == near[b]["cluster"] is not None for a, b in own)
        assert found >= 0.99 * len(own), f"{name}: {found} of {len(own)} pairs"
    # Precision: what shares a cluster is tied by true pairs, and no cluster holds a document without one.
    rows, columns = np.array(list(pairs)).T
    _, labels = connected_components(csr_array((np.ones(len(pairs)), (rows, columns)), (len(keys), len(keys))))
    component: dict[str, int] = {}
    nearest: dict[int, float] = defaultdict(float)
    for (a, b), similar in pairs.items():
        nearest[a], nearest[b] = max(nearest[a], similar), max(nearest[b], similar)
    numbers = {schema.key(*key): i for i, key in enumerate(keys)}
    for i, row in enumerate(near):
        if row["cluster"] is None:
            continue
        assert i in nearest, keys[i]
        assert component.setdefault(row["cluster"], labels[i]) == labels[i], keys[i]
        if row["link"] is not None:
            pair = tuple(sorted((i, numbers[row["link"]])))
            assert row["link_jaccard"] == pytest.approx(pairs[pair], abs=1e-4), keys[i]
            assert row["link_jaccard"] <= nearest[i] + 1e-4, keys[i]


def test_real_twins_elect_their_best(real: Corpus) -> None:
    assert _check_election(real) > 0


def test_real_licences_are_the_rows_own_or_follow_the_date(real: Corpus, real_sites: dict[str, Site]) -> None:
    for key, document in real["documents"].items():
        row = real_sites[key[0]].posts[key[1]]
        date = row["CreationDate"]
        by_date = "2.5" if date < "2011-04-08" else "3.0" if date < "2018-05-02" else "4.0"
        assert document["license"] == row.get("ContentLicense", f"CC BY-SA {by_date}")
        if document["kind"] == "question":
            assert document["tags"] == re.findall(r"[^<>|]+", row.get("Tags", ""))
            assert document["title"] == row.get("Title")


def test_real_shards_hold_what_was_kept(real: Corpus) -> None:
    kept = {key for key, row in real["decisions"].items() if row["keep"]}
    assert real["shards"].keys() == kept
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in (real.folder / "shards").rglob("*.parquet")) == len(
        kept
    )
    _check_segments(real["shards"])
