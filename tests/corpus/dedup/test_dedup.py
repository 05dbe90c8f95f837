"""Near and exact duplicates: against all pairs of real sites, real revisions, and planted cases."""

import hashlib
import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from socorpus.corpus.config import Near
from socorpus.corpus.dedup import clusters, components, lsh, minhash
from socorpus.corpus.dedup import exact as dedup_exact
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import DOCUMENTS, SEGMENT, SIGNALS

TAG = re.compile(r"<[^>]+>")
START = datetime(2015, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Post:
    text: str
    code: tuple[str, ...] = ()
    accepted: bool = False
    score: int = 0
    age: int = 0
    comment: str = ""
    spans: tuple[tuple[str, str], ...] = ()
    """Kinds and texts that follow `text` without a line break."""


def table(posts: Sequence[Post], site: str = "a.stackexchange.com") -> pa.Table:
    """Documents of planted posts, post ids from 1: prose, then code blocks, then a comment."""
    rows: list[dict[str, Any]] = []
    for i, post in enumerate(posts, 1):
        text, segments = "", []
        for kind, part in post.spans:
            segments.append({"kind": kind, "start": len(text), "end": len(text + part), "language": None, "id": i})
            text += part
        for kind, part in [("prose", post.text), *(("code", code) for code in post.code), ("comment", post.comment)]:
            if kind == "comment":
                own_end = len(text)
            segments.append({"kind": kind, "start": len(text), "end": len(text + part), "language": None, "id": i})
            text += part + "\n"
        row: dict[str, Any] = {field.name: None for field in DOCUMENTS}
        row |= {"site": site, "post_id": i, "thread_id": i, "kind": "answer", "url": "", "license": ""}
        row |= {"created": START - timedelta(days=post.age), "score": post.score, "accepted": post.accepted}
        row |= {"comments": int(bool(post.comment)), "tags": [], "links": []}
        row |= {"text": text, "own_end": own_end, "segments": segments}
        rows.append(row | {"digest": hashlib.blake2b(text.encode(), digest_size=16).digest()})
    return pa.Table.from_pylist(rows, schema=DOCUMENTS)


_LETTERS = str.maketrans("0123456789", "abcdefghij")


def words(start: int, count: int) -> str:
    """Words that are all different, without digits: these may not differ."""
    return " ".join(f"word{i}".translate(_LETTERS) for i in range(start, start + count))


def rows_of(path: Path, name: str) -> list[str]:
    return [row.get(name) for _, row in etree.iterparse(str(path), tag="row", recover=True) if row.get(name)]


def site_files(data: Path) -> list[Path]:
    return [p for p in sorted((data / "dumps").rglob("*")) if p.name.lower() in ("posts.xml", "postswithdeleted.xml")]


def all_pairs(sets: minhash.Shingles, threshold: float) -> dict[tuple[int, int], float]:
    """Every pair at or above the threshold, by the product of the incidence matrix with itself."""
    columns = np.unique(sets.hashes, return_inverse=True)[1]
    incidence = csr_array((np.ones(len(columns), np.int32), columns, sets.offsets))
    common = (incidence @ incidence.T).tocoo()
    left, right, both = common.row, common.col, common.data
    keep = left < right
    left, right, both = left[keep], right[keep], both[keep]
    exact = both / (sets.sizes[left] + sets.sizes[right] - both)
    near = exact >= threshold
    return dict(zip(zip(left[near].tolist(), right[near].tolist(), strict=True), exact[near].tolist(), strict=True))


@pytest.fixture(scope="module")
def sites(real_data: Path) -> dict[str, pa.Table]:
    bodies = {str(p.parent): [TAG.sub("", b) for b in rows_of(p, "Body")] for p in site_files(real_data)}
    return {site: table([Post(text) for text in texts]) for site, texts in bodies.items()}


def test_bands_reach_the_recall_with_the_fewest_false_candidates() -> None:
    assert lsh.bands(0.8, 128) == lsh.Bands(21, 6)
    assert lsh.bands(1.0, 128).recall(1.0) == 1
    for threshold in np.arange(0.5, 0.951, 0.05):
        cut = lsh.bands(threshold, 128)
        assert cut.bands * cut.rows <= 128
        assert cut.recall(threshold) >= 0.995
        assert lsh.Bands(128 // (cut.rows + 1), cut.rows + 1).recall(threshold) < 0.995
    # datasketch's optimum for equal weights finds far fewer at the threshold.
    peer = MinHashLSH(threshold=0.8, num_perm=128)
    assert lsh.Bands(peer.b, peer.r).recall(0.8) < 0.5
    with pytest.raises(InputError, match=r"near\.permutations = 4"):
        lsh.bands(0.5, 4)


@pytest.mark.parametrize("nodes, edges", [(1, 0), (10, 5), (1000, 400), (1000, 700), (5000, 40_000)])
def test_components_are_those_of_scipy(nodes: int, edges: int) -> None:
    random = np.random.default_rng(nodes + edges)
    for pairs in (random.integers(0, nodes, (edges, 2)), np.repeat(np.arange(edges // 2), 2)[:, None] + [[0, 1]]):
        pairs = pairs[(pairs < nodes).all(1)]
        graph = csr_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(nodes, nodes))
        expected = connected_components(graph, directed=False)[1]
        assert components.components(pairs, nodes).tolist() == expected.tolist()


def test_the_bands_of_the_defaults_are_those_that_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(lsh.KNOWN)
    assert (Near().threshold, Near().permutations) in known
    monkeypatch.setattr(lsh, "KNOWN", {})
    lsh.bands.cache_clear()
    assert {of: lsh.bands(*of) for of in known} == known


def test_recall_of_the_bands_is_that_of_theory() -> None:
    """Sets of known similarity become candidates as often as the formula says."""
    random = np.random.default_rng(2)
    cut = lsh.bands(0.8, 128)
    for jaccard in (0.4, 0.5, 0.6, 0.8):
        size, both = 300, round(300 * 2 * jaccard / (1 + jaccard))
        rows = []
        for _ in range(1500):
            values = random.integers(0, 1 << 63, 2 * size - both, dtype=np.uint64)
            rows += [np.sort(values[:size]), np.sort(values[size - both :])]
        sets = minhash.Shingles(np.arange(3001, dtype=np.int64) * size, np.concatenate(rows))
        hashes = lsh.band_hashes(minhash.signatures(sets, 128, 1), cut)
        share = (hashes[::2] == hashes[1::2]).any(1).mean()
        assert abs(share - cut.recall(both / (2 * size - both))) < 4 * np.sqrt(0.25 / 1500)
    # The same columns in another band are another hash.
    same = lsh.band_hashes(np.zeros((1, 128), np.uint32), cut)
    assert len(np.unique(same)) == cut.bands


def test_every_real_site_against_all_pairs(sites: dict[str, pa.Table]) -> None:
    config = Near()
    expected_all = found_all = 0
    for documents in sites.values():
        sets, _ = lsh.sets_of(documents, config, "text")
        expected = all_pairs(sets, config.threshold)
        edges, _ = lsh.candidates(lsh.fingerprints(documents, 0, config))
        exact = lsh.verify(edges, lsh.shingle_table(documents, 0, config, "text", np.unique(edges)))
        verified = {tuple(e): j for e, j in zip(edges.tolist(), exact.tolist(), strict=True) if j >= config.threshold}
        # Precision 1: every verified pair is a pair, with its very similarity.
        assert {pair: expected.get(pair) for pair in verified} == verified
        # Recall: pairs of one component count as found, as copies are tied to their first alone.
        labels = clusters.clusters(edges, exact, config.threshold)
        cluster = dict(zip(labels["document"].to_pylist(), labels["cluster"].to_pylist(), strict=True))
        found = sum(cluster.get(a, -1) == cluster.get(b, -2) for a, b in expected)
        expected_all, found_all = expected_all + len(expected), found_all + found
        assert found >= 0.99 * len(expected)
        # No cluster joins what no chain of pairs joins.
        truth = clusters.clusters(np.array(list(expected), np.int64).reshape(-1, 2), np.ones(len(expected)), 0.5)
        joined = dict(zip(truth["document"].to_pylist(), truth["cluster"].to_pylist(), strict=True))
        assert all(joined[a] == joined[b] for a, b in cluster.items())
    assert found_all >= 0.99 * expected_all > 0


def test_revisions_of_real_posts_are_found(real_data: Path) -> None:
    """Consecutive revisions of one post, which are as similar as real near duplicates get."""
    config = Near()
    pairs = found = 0
    for path in sorted((real_data / "dumps").rglob("*")):
        if path.name.lower() != "posthistory.xml":
            continue
        last: dict[str, int] = {}
        texts: list[str] = []
        steps = []
        for _, row in etree.iterparse(str(path), tag="row", recover=True):
            if row.get("PostHistoryTypeId") in ("2", "5", "8") and row.get("Text"):
                if row.get("PostId") in last:
                    steps.append((last[row.get("PostId")], len(texts)))
                last[row.get("PostId")] = len(texts)
                texts.append(row.get("Text"))
        documents = table([Post(text) for text in texts])
        sets, _ = lsh.sets_of(documents, config, "text")
        steps_array = np.array(steps, np.int64).reshape(-1, 2)
        exact = minhash.jaccard(sets, steps_array[:, 0], steps_array[:, 1])
        rows = lsh.fingerprints(documents, 0, config)
        edges, _ = lsh.candidates(rows)
        linked = {tuple(edge) for edge in edges[minhash.jaccard(sets, edges[:, 0], edges[:, 1]) >= 0.8].tolist()}
        whole = minhash.set_hashes(sets)
        leaders: dict[int, int] = {}
        first = [leaders.setdefault(int(h), i) for i, h in enumerate(whole)]
        for (a, b), similarity in zip(steps, exact, strict=True):
            if similarity >= 0.8:
                one, other = sorted((first[a], first[b]))
                pairs += 1
                found += one == other or (one, other) in linked
    assert pairs > 100
    assert found >= 0.98 * pairs


def buckets_of(documents: pa.Table, count: int) -> list[pa.Table]:
    size = -(-documents.num_rows // count)
    return [documents.slice(i * size, size) for i in range(count)]


def over_buckets(buckets: list[pa.Table], config: Near, name: str, groups: int, most: int) -> pa.Table:
    """The path of the module's docstring, as a pipeline would map it."""
    form = lsh.FORMS[name]
    every = pa.concat_tables(lsh.fingerprints(b, i, config, form) for i, b in enumerate(buckets))
    group = every["hash"].to_numpy() % np.uint64(groups)
    edges = components.unite([lsh.candidates(every.filter(pa.array(group == g)))[0] for g in range(groups)])

    def stored_sets(pairs: np.ndarray) -> pa.Table:
        wanted = np.unique(pairs)
        return pa.concat_tables(lsh.shingle_table(b, i, config, form, wanted) for i, b in enumerate(buckets))

    def verify(pairs: np.ndarray) -> np.ndarray:
        stored = stored_sets(pairs)
        similarity = np.full(len(pairs), np.nan)
        for part in lsh.portions(pairs, most):
            needed = np.unique(pairs[part])
            assert len(needed) <= most
            sets = stored.filter(pa.array(np.isin(stored["document"].to_numpy(), needed)))
            similarity[part] = lsh.verify(pairs[part], sets)
        return similarity

    edges = edges[lsh.alike(edges, stored_sets(edges), config)]
    similarity = verify(edges)
    labels = clusters.clusters(edges, similarity, config.threshold)
    wanted = labels["document"].to_numpy()
    people = pa.concat_tables(clusters.members(b, i, wanted) for i, b in enumerate(buckets))
    tied = edges[similarity >= config.threshold]
    labels = clusters.split(people, labels, tied, lambda more: lsh.alike(more, stored_sets(more), config))
    twins = clusters.survivors(people, labels, edges, similarity, verify)
    return pa.concat_tables(clusters.signals(b, i, twins, name) for i, b in enumerate(buckets))


def test_buckets_and_groups_change_nothing(sites: dict[str, pa.Table]) -> None:
    for documents in sorted(sites.values(), key=len)[-3:]:
        whole = clusters.near(documents, Near())
        assert whole.schema.equals(SIGNALS["near"], check_metadata=True)
        assert over_buckets(buckets_of(documents, 5), Near(), "near", 7, 10).equals(whole)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(60, 70), st.integers(0, 2)), max_size=25), st.integers(1, 6))
def test_every_removed_row_has_a_survivor_that_is_kept(cases: list[tuple[int, int, int]], buckets: int) -> None:
    documents = table([Post(words(100 * block, count), score=score) for block, count, score in cases])
    found = clusters.near(documents, Near())
    rows = {f"{row['site']}:{row['post_id']}": row for row in found.to_pylist()}
    sets = dict(zip(rows, lsh.sets_of(documents, Near(), "text")[0].to_arrow().to_pylist(), strict=True))
    for key, row in rows.items():
        if row["survivor"] is None:
            assert row["jaccard"] is row["link"] is row["link_jaccard"] is None
            continue
        kept = rows[row["survivor"]]
        assert kept["survivor"] is None and kept["cluster"] == row["cluster"] == rows[row["link"]]["cluster"]
        for other, value in ((row["survivor"], row["jaccard"]), (row["link"], row["link_jaccard"])):
            one, two = set(sets[key]), set(sets[other])
            assert value == np.float32(len(one & two) / len(one | two))
        assert row["link_jaccard"] >= max(np.float32(0.8), row["jaccard"])
    assert all(row["cluster"] in rows for row in rows.values() if row["cluster"] is not None)
    if cases:
        assert over_buckets(buckets_of(documents, buckets), Near(), "near", 3, 5).equals(found)


def columns(found: pa.Table, *names: str) -> list[tuple[Any, ...]]:
    short = [[v.split(":")[1] if isinstance(v, str) else v for v in found[name].to_pylist()] for name in names]
    return list(zip(*short, strict=True))


def test_survivor_is_accepted_then_scored_then_oldest_then_first() -> None:
    text = words(0, 80)
    by = {
        "accepted": [Post(text, score=9), Post(text, accepted=True, score=-3), Post(text, age=9)],
        "score": [Post(text, score=1, age=9), Post(text, score=2), Post(text)],
        "oldest": [Post(text, age=1), Post(text, age=2), Post(text)],
    }
    for posts in by.values():
        found = clusters.near(table(posts), Near())
        assert columns(found, "survivor", "jaccard", "link") == [("2", 1.0, "2"), (None, None, None), ("2", 1.0, "2")]
    found = clusters.near(table([Post(text), Post(text)]), Near())
    assert columns(found, "survivor", "cluster") == [(None, "1"), ("1", "1")]


def test_a_chain_is_one_cluster_with_exact_similarities() -> None:
    """Each text shares most with the next; the ends are no candidates of one another."""
    posts = [Post(words(start, 104), score=-start) for start in range(0, 60, 10)]
    found = clusters.near(table(posts), Near())
    assert set(found["cluster"].to_pylist()) == {"a.stackexchange.com:1"}
    expected = [None] + [np.float32((100 - d) / (100 + d)) for d in range(10, 60, 10)]
    assert found["jaccard"].to_pylist() == expected
    assert columns(found, "survivor", "link") == [(None, None), *(("1", str(i)) for i in range(1, 6))]
    assert found["link_jaccard"].to_pylist() == [None] + [np.float32(90 / 110)] * 5


def test_ten_thousand_equal_texts_cost_nothing_quadratic() -> None:
    near_copy = words(0, 190) + " and a tail"
    posts = [Post(words(0, 200), score=i % 7) for i in range(10_000)]
    documents = table([*posts, Post(near_copy, score=100), Post(words(1000, 200))])
    clusters.near(documents.slice(0, 3), Near())
    start = time.perf_counter()
    edges, crowds = lsh.candidates(lsh.fingerprints(documents, 0, Near()))
    found = clusters.near(documents, Near())
    seconds = time.perf_counter() - start
    assert len(edges) == 10_000 and crowds == 0
    assert set(found["survivor"].to_pylist()[:10_000]) == {"a.stackexchange.com:10001"}
    assert columns(found, "cluster", "survivor")[10_000:] == [("1", None), (None, None)]
    assert seconds < 10


def test_crowds_are_linked_with_a_window() -> None:
    """Many different sets that share one hash: pairs stay linear, in an order that no layout changes."""
    n, most = 1000, 16
    sets = np.random.default_rng(1).permutation(n).astype(np.uint64) + np.uint64(10)
    rows = pa.table([np.full(n, 5, np.uint64), np.arange(n), sets], schema=lsh.FINGERPRINTS)
    edges, crowds = lsh.candidates(rows, most)
    assert crowds == 1 and len(edges) == n * most - most * (most + 1) // 2
    assert (edges[:, 0] < edges[:, 1]).all()
    turned = np.random.default_rng(2).permutation(n)
    again, _ = lsh.candidates(rows.take(pa.array(turned)), most)
    assert np.array_equal(again, edges)
    few, crowds = lsh.candidates(rows.slice(0, most + 1), most)
    assert crowds == 0 and len(few) == most * (most + 1) // 2


def test_texts_without_words_are_no_duplicates() -> None:
    found = clusters.near(table([Post(""), Post(""), Post("... !"), Post("... !"), Post("hi"), Post("Hi!")]), Near())
    assert columns(found, "survivor") == [(None,)] * 5 + [("5",)]
    assert clusters.near(table([]), Near()).num_rows == 0
    assert clusters.near(table([Post("alone here")]), Near())["cluster"].to_pylist() == [None]


def test_comments_do_not_count() -> None:
    text = words(0, 50)
    posts = [Post(text, comment=words(500, 90)), Post(text, comment=words(900, 90)), Post(words(50, 50), comment=text)]
    assert columns(clusters.near(table(posts), Near()), "survivor") == [(None,), ("1",), (None,)]


CODE = "def add(a, b):\n    return a + b\n\nfor i in range(10):\n    print(add(i, i * i), 'sum')\n" * 2


def test_copied_code_with_other_prose_is_seen() -> None:
    head, tail = CODE[: len(CODE) // 2], CODE[len(CODE) // 2 :]
    posts = [
        Post(words(0, 90), (CODE,)),
        Post(words(200, 90), (head, tail)),
        Post(words(400, 90), (CODE.upper(),)),
        Post(words(600, 90), ("x = 1",)),
        Post(words(800, 90), ("x = 1",)),
        Post(words(1000, 90) + CODE),
    ]
    documents = table(posts)
    assert columns(clusters.near(documents, Near()), "survivor") == [(None,)] * 6
    found = clusters.near(documents, Near(), "near_code")
    assert found.schema.equals(SIGNALS["near_code"], check_metadata=True)
    assert columns(found, "survivor", "jaccard") == [(None, None), ("1", 1.0)] + [(None, None)] * 4
    assert over_buckets(buckets_of(documents, 3), Near(), "near_code", 2, 4).equals(found)
    short = clusters.near(documents, Near(code_min_tokens=3), "near_code")
    assert columns(short, "survivor")[3:5] == [(None,), ("4",)]


def test_exact_copies_after_normalisation() -> None:
    posts = [
        Post("Use  the \ufb01le", score=1),
        Post("use the file\n", score=2, comment="thanks"),
        Post("STRASSE"),
        Post("stra\u00dfe"),
        Post(" "),
        Post("\n"),
        Post("use the files"),
    ]
    documents = table(posts)
    found = dedup_exact.exact(documents)
    assert found.schema.equals(SIGNALS["exact"], check_metadata=True)
    assert columns(found, "survivor") == [("2",), (None,), (None,), ("3",), (None,), (None,), (None,)]
    assert found["hash"][1].as_py() == hashlib.blake2b(b"use the file", digest_size=16).digest()
    parts = buckets_of(documents, 3)
    hashes = [dedup_exact.text_hashes(b) for b in parts]
    people = pa.concat_tables(clusters.members(b, i) for i, b in enumerate(parts))
    removed = dedup_exact.exact_survivors(pa.concat_arrays(hashes), people)
    signed = [dedup_exact.exact_signals(b, i, hashes[i], removed) for i, b in enumerate(parts)]
    assert pa.concat_tables(signed).equals(found)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60), st.integers(2, 12))
def test_portions_hold_every_pair_once_and_few_documents(pairs: list[tuple[int, int]], most: int) -> None:
    edges = components.unite([np.array(pairs, np.int64).reshape(-1, 2)])
    assert [tuple(edge) for edge in edges.tolist()] == sorted({(min(p), max(p)) for p in pairs if p[0] != p[1]})
    parts = lsh.portions(edges, most)
    assert sorted(i for part in parts for i in part.tolist()) == list(range(len(edges)))
    assert all(len(np.unique(edges[part])) <= most for part in parts)


def test_missing_sets_are_refused() -> None:
    documents = table([Post(words(0, 20)), Post(words(0, 20))])
    sets = lsh.shingle_table(documents, 0, Near(), "text", np.array([0]))
    with pytest.raises(ValueError, match="missing"):
        lsh.verify(np.array([[0, 1]]), sets)


def test_estimate_is_close_to_exact(sites: dict[str, pa.Table]) -> None:
    documents = max(sites.values(), key=len)
    sets, _ = lsh.sets_of(documents, Near(), "text")
    # All pairs, not candidates: those are chosen by these very signatures, so that their estimates lie high.
    pairs = all_pairs(sets, 0.05)
    left, right = np.array(list(pairs)).T
    signatures = minhash.signatures(sets, 128, 1)
    estimated = (signatures[left] == signatures[right]).mean(1)
    exact = np.array(list(pairs.values()))
    errors = (estimated - exact) / np.sqrt((exact * (1 - exact) / 128).clip(1e-9))
    assert np.sqrt((errors**2).mean()) < 1.5 and (estimated[exact == 1] == 1).all()


def folded(prose: str) -> str:
    """Prose in NFKC and lower case, but for words behind a hyphen that has no word before it."""
    runs, keeps, before = [[False, ""]], False, " "
    for sign in prose:
        in_word = sign.isalnum() or sign == "_"
        if not in_word:
            keeps = sign == "-" and not (before.isalnum() or before == "_")
        before = sign
        if runs[-1][0] != (keeps and in_word):
            runs.append([keeps and in_word, ""])
        runs[-1][1] += sign
    return "".join(unraised(text) if keeps else unraised(text).casefold() for keeps, text in runs)


def unraised(text: str) -> str:
    """NFKC, but of superscripts, subscripts and fractions."""
    runs: list[list[str]] = [[]]
    for sign in text:
        if unicodedata.decomposition(sign).split(" ")[0] in ("<super>", "<sub>", "<fraction>"):
            runs += [[sign], []]
        else:
            runs[-1].append(sign)
    forms = ("NFKC", "NFC")  # in turn: of each raised sign, what it is already
    return "".join(unicodedata.normalize(forms[number % 2], "".join(run)) for number, run in enumerate(runs))


PROSE = st.text() | st.text(st.characters(max_codepoint=127)) | st.text("aB-_ 1\u00b2\u00bd\ufb01", max_size=12)


@given(st.lists(st.tuples(PROSE, PROSE, PROSE), max_size=6))
def test_texts_are_hashed_after_folding_case_and_white_space(rows: list[tuple[str, str, str]]) -> None:
    """Prose, code, prose."""
    segments = [
        [{"kind": "inline_code", "start": len(before), "end": len(before + code), "language": None, "id": 1}]
        for before, code, _ in rows
    ]
    table = pa.table(
        {
            "text": pa.array(["".join(row) + "!" for row in rows], pa.string()),
            "own_end": pa.array([len("".join(row)) for row in rows], pa.int32()),
            "segments": pa.array(segments, pa.list_(SEGMENT)),
        }
    )
    pieces = [
        [folded(before), unraised(code), folded(after)] if code else [folded(before + after)]
        for before, code, after in rows
    ]
    texts = [" ".join("".join(parts).split()) for parts in pieces]
    expected = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
    assert dedup_exact.text_hashes(table).to_pylist() == expected


@pytest.mark.parametrize(
    ("one", "other", "copies"),
    [
        (Post("Use the file"), Post("use  the FILE\n"), True),
        (Post("run it", ("ls -p",)), Post("Run it", ("ls  -p",)), True),
        (Post("run it", ("ls -p",)), Post("run it", ("ls -P",)), False),
        (Post("run it", ("String s",)), Post("run it", ("string s",)), False),
        (Post("add the option -p to it"), Post("add the option -P to it"), False),
        (Post("a Well-Known fact"), Post("a well-known fact"), True),
        (Post("it is 10\u00b2 wide"), Post("it is 102 wide"), False),
        (Post("take \u00bd of it"), Post("take 1\u20442 of it"), False),
        (Post("\u00dcber \uff21\uff22"), Post("\u00fcber ab"), True),
    ],
)
def test_exact_copies_keep_signs_and_the_case_of_code(one: Post, other: Post, copies: bool) -> None:
    survivors = dedup_exact.exact(table([one, other]))["survivor"].to_pylist()
    assert (survivors != [None, None]) == copies
