"""Several corpora in one run: shares of the tokens, passes, resuming, what is refused and what is shown."""

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as some

from socorpus import training
from socorpus.cli import train as cli_train
from socorpus.corpus import toml_config
from socorpus.corpus.errors import InputError
from socorpus.corpus.storage import files
from socorpus.training import presets
from socorpus.training.config import Config
from socorpus.training.export import huggingface
from socorpus.training.pretrain.data import dataloader, lanes, mixture, packing, shard_reader
from socorpus.training.pretrain.data.lanes import Blend, Position, Source
from socorpus.training.pretrain.data.packing import Pack
from tests.training import runs

ROOM = 128
SETTINGS = {
    "model": {"max_length": ROOM},
    "batch": {"tokens": 4096, "micro_tokens": 1024},
    "schedule": {"tokens": 40_960},
}
few = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def configured(*corpora: dict[str, object], **sections: Any) -> Config:
    return presets.load("tiny", overrides={**SETTINGS, **sections, "data": {"corpora": list(corpora)}})


class Reading:
    """All lanes of a run, read in the order of its packs."""

    def __init__(self, corpus: Path, sources: Sequence[Source], of: int, positions: list[Position] | None = None):
        vocabulary = shard_reader.open_corpus(corpus).vocabulary
        packer = lanes.packer(configured(), vocabulary)
        starts = positions or [lanes.beginning(len(sources))] * of
        self.blends = [Blend(number, of, sources, packer, starts[number]) for number in range(of)]
        self.salts = {source.salt: number for number, source in enumerate(sources)}

    def packs(self, rounds: int) -> list[Pack]:
        return [blend.next() for _ in range(rounds) for blend in self.blends]

    def corpus(self, pack: Pack) -> int:
        """The number of a pack's corpus, which is in its key."""
        return self.salts[pack.key[0] >> 32]

    @property
    def positions(self) -> list[Position]:
        return [blend.position for blend in self.blends]


def groups(corpus: Path) -> list[shard_reader.RowGroup]:
    return shard_reader.open_corpus(corpus).row_groups("train")


def contents(packs: Sequence[Pack]) -> list[bytes]:
    return [pack.ids.tobytes() for pack in packs]


def documents(packs: Sequence[Pack]) -> list[bytes]:
    """Documents of some packs, sorted."""
    split = (np.split(pack.ids, np.cumsum(pack.lengths)[:-1]) for pack in packs)
    return sorted(ids.tobytes() for of_pack in split for ids in of_pack)


@few
@given(
    weights=some.lists(some.integers(1, 50), min_size=2, max_size=4),
    of=some.sampled_from([1, 4, 16]),
    window=some.integers(20, 400),
)
def test_shares_of_the_tokens_hold_over_any_stretch(
    corpus: Path, second: Path, weights: list[int], of: int, window: int
) -> None:
    folders = [corpus, second, corpus, second]
    sources = [Source(groups(folders[n]), weight / sum(weights), salt=n and n + 7) for n, weight in enumerate(weights)]
    reading = Reading(corpus, sources, of)
    packs = reading.packs(640 // of)
    counts = np.zeros((len(packs) + 1, len(weights)))
    for number, pack in enumerate(packs):
        counts[number + 1, reading.corpus(pack)] = len(pack.ids)
    sums = counts.cumsum(0)
    stretches = sums[window:] - sums[:-window]
    wanted = stretches.sum(1, keepdims=True) * np.array(weights) / sum(weights)
    # A few packs, however long the stretch; and what lanes learn of how full each corpus's packs are.
    assert np.abs(stretches - wanted).max() < (6 + 0.02 * window) * ROOM


def test_packs_that_are_not_full_count_by_their_tokens(corpus: Path, tmp_path: Path) -> None:
    # Two documents of 70 tokens fit no pack together.
    path, rows = tmp_path / "short.parquet", 600
    ids = pa.array([list(range(5, 75))] * rows, pa.list_(pa.uint16()))
    pq.write_table(pa.table({"input_ids": ids, "code_tokens": pa.array([[]] * rows, pa.list_(pa.int32()))}), path)
    short = Source([shard_reader.RowGroup(path, 0, rows)], 0.5, salt=1)
    reading = Reading(corpus, [Source(groups(corpus), 0.5), short], 4)
    tokens = [0, 0]
    for pack in reading.packs(200):
        tokens[reading.corpus(pack)] += len(pack.ids)
    assert 0.485 < tokens[0] / sum(tokens) < 0.515, tokens


ENDS = some.sampled_from([math.inf, 0.02, 0.1, 0.4, 2.5])


@few
@given(epochs=some.tuples(ENDS, ENDS, ENDS), of=some.sampled_from([1, 4, 8]))
@example(epochs=(0.02, math.inf, math.inf), of=1)
@example(epochs=(math.inf, 0.1, math.inf), of=4)
@example(epochs=(math.inf, math.inf, 0.1), of=8)
@example(epochs=(0.02, 0.1, 0.1), of=4)
def test_reading_goes_on_from_any_position(
    corpus: Path, second: Path, epochs: tuple[float, float, float], of: int
) -> None:
    """Whichever corpora are used up by then."""
    each = zip((corpus, second, second), (0.5, 0.2, 0.3), epochs, (0, 3, 5), strict=True)
    sources = [Source(groups(folder), share, end, salt) for folder, share, end, salt in each]
    reading, saved, rounds = Reading(corpus, sources, of), list[str](), list[list[bytes]]()
    for _ in range(12):
        saved.append(json.dumps(reading.positions))
        rounds.append(contents(reading.packs(8 // of)))
    saved.append(json.dumps(reading.positions))
    for number, expected in enumerate(rounds):
        again = Reading(corpus, sources, of, [lanes.restored(position) for position in json.loads(saved[number])])
        # What a round reads, and where it ends: the next one begins there.
        assert contents(again.packs(8 // of)) == expected and json.dumps(again.positions) == saved[number + 1]


@settings(few, max_examples=6)
@given(stop=some.integers(0, 5), ranks=some.tuples(some.integers(1, 8), some.integers(1, 8)))
def test_a_step_of_a_mixture_has_the_same_packs_for_any_number_of_ranks(
    corpus: Path, second: Path, stop: int, ranks: tuple[int, int]
) -> None:
    """Also where a run goes on with another number, behind the end of a corpus."""
    config = configured({"corpus": str(second), "weight": 1}, {"weight": 1, "epochs": 0.02})
    corpora = mixture.opened(corpus, config)
    third = replace(corpora.sources()[1], salt=11)
    sources, steps = [*corpora.sources(), third], 5

    def read(number: int, first: int, count: int, cursors: list[Position] | None) -> tuple[list[Any], list[Position]]:
        """Documents of each step by so many ranks, and the positions behind the last one."""
        steps: list[list[tuple[int, ...]]] = [[] for _ in range(count)]
        positions = dict(enumerate(cursors or [lanes.beginning(len(sources))] * 8))
        for rank in range(number):
            cut = dataloader.shape(corpora.groups, ROOM, config.batch, number, 8)
            stream = dataloader.Stream(
                config, corpora.own.vocabulary, sources, cut, rank, cursors, first, lambda _: 0.3
            )
            for step in steps:
                for _ in range(cut.micro_batches(rank)):
                    batch = stream.next()
                    step += [tuple(ids.tolist()) for ids in batch.ids[: batch.filled].split(batch.documents)]
            positions |= stream.cursors
            stream.close()
        return [sorted(step) for step in steps], list(positions.values())

    before, reached = read(ranks[0], 0, stop, None)
    after, end = read(ranks[1], stop, steps - stop, reached)
    assert (before + after, end) == read(1, 0, steps, None)


def test_one_corpus_is_read_as_it_always_was(corpus: Path) -> None:
    """Runs of earlier versions go on: the definition once more, in short."""
    config, found = configured(), groups(corpus)
    vocabulary = shard_reader.open_corpus(corpus).vocabulary
    specials = vocabulary.special["[CLS]"], vocabulary.special["[SEP]"]
    lane, of, expected, rest = 1, 4, [], []
    for index in range(12):
        epoch, within = divmod(lane + index * of, len(found))
        order = np.random.Generator(np.random.Philox(np.random.SeedSequence([1, 2, epoch]))).permutation(len(found))
        key = (epoch, int(order[within]))
        pieces = packing.cut_out(shard_reader.read(found[key[1]]), ROOM, 0, True)
        full, left = packing.part(packing.pack(pieces, ROOM, specials, key, 1), ROOM)
        rest += left
        if index % 8 == 7:
            full += packing.pack(rest, ROOM, specials, key, 1, 1 << 20)
            rest = []
        expected += full
    packer = lanes.packer(config, vocabulary)
    start = lanes.restored([0, 0])  # as checkpoints of earlier versions have it
    blend = Blend(lane, of, mixture.opened(corpus, config).sources(), packer, start)
    read = [blend.next() for _ in expected]
    assert contents(read) == contents(expected) and [pack.key for pack in read] == [pack.key for pack in expected]


@pytest.mark.parametrize("of", [1, 4, 16])
def test_a_corpus_that_is_used_up_was_read_just_so_often(corpus: Path, second: Path, of: int) -> None:
    special = shard_reader.open_corpus(second).vocabulary.special
    each = [ids for group in groups(second) for ids, _ in packing.cut_out(shard_reader.read(group), ROOM, 0, True)]
    once = [np.array([special["[CLS]"], *ids, special["[SEP]"]], np.int32).tobytes() for ids in each]
    tokens = sum(map(len, once)) / 4
    for epochs, share in ((1.0, 0.5), (3.0, 0.5), (1.0, 0.05)):
        reading = Reading(corpus, [Source(groups(corpus), 1 - share), Source(groups(second), share, epochs, 5)], of)
        packs = reading.packs(round(2 * epochs * tokens / ROOM / of / share))
        mine = [pack for pack in packs if reading.corpus(pack)]
        assert documents(mine) == sorted(once * round(epochs))
        last = max(number for number, pack in enumerate(packs) if reading.corpus(pack))
        assert last < 0.75 * len(packs)
        if share == 0.5:
            # At its full share until it ends in all lanes at about the same time.
            early = packs[: round(0.8 * epochs * 2 * tokens / ROOM)]
            assert 0.42 < np.mean([reading.corpus(pack) for pack in early]) < 0.56
    half = Reading(corpus, [Source(groups(corpus), 0.5), Source(groups(second), 0.5, 1.5, 5)], of)
    read = sum(len(pack.ids) for pack in half.packs(3000 // of) if half.corpus(pack))
    assert 1.4 < read / tokens < 1.6


@few
@given(epochs=some.floats(0.05, 2.2), order=some.integers(1, 9), of=some.sampled_from([1, 2, 4]))
def test_a_plan_knows_what_a_fraction_of_few_row_groups_is(
    corpus: Path, second: Path, epochs: float, order: int, of: int
) -> None:
    """Of several sizes: a tenth of the places may be a fifth of the tokens."""
    few_groups = [*groups(corpus)[:2], *groups(second)[:3]]
    pieces = [
        [len(ids) + 2 for ids, _ in packing.cut_out(shard_reader.read(group), ROOM, 0, True)] for group in few_groups
    ]
    uneven, sizes = Source(few_groups, 0.9, epochs, order), [sum(lengths) for lengths in pieces]
    expected = mixture.passes(uneven, 1, sizes) * sum(sizes)
    reading = Reading(corpus, [Source(groups(corpus), 0.1), uneven], of)
    while not all(blend._lanes[1].used_up for blend in reading.blends):
        reading.packs(8)
    # Packs of the last row group are rounded, and so are those of its left-overs.
    assert abs(lanes.tokens(reading.positions)[1] - expected) < 3 * ROOM


def test_used_up_corpora_are_read_on_in_the_last_steps(corpus: Path, second: Path) -> None:
    sources = [Source(groups(corpus), 0.8, 0.3), Source(groups(second), 0.2, 0.3, 5)]
    reading = Reading(corpus, sources, 4)
    packs = reading.packs(600)
    assert len({reading.corpus(pack) for pack in packs[-200:]}) == 2


def test_shares_follow_weights_or_sizes(corpus: Path, second: Path) -> None:
    def shares(*corpora: dict[str, object]) -> dict[str, float]:
        opened = mixture.opened(corpus, configured(*corpora))
        return {part.corpus.folder.parent.name: round(part.share, 4) for part in opened.parts}

    other = str(second)
    tokens = [shard_reader.open_corpus(c).manifest["shards"]["train"]["tokens"] for c in (corpus, second)]
    by_size = round(tokens[0] / sum(tokens), 4)
    assert list(shares({"corpus": other}).values()) == [by_size, pytest.approx(1 - by_size)]
    assert list(shares({"corpus": other, "weight": 3}, {"weight": 1}).values()) == [0.25, 0.75]
    assert list(shares({"corpus": str(corpus), "weight": 1}, {"corpus": other, "weight": 3}).values()) == [0.25, 0.75]
    twice = shares({"corpus": other, "epochs": 2})
    assert list(twice.values())[1] == pytest.approx(2 * tokens[1] / (tokens[0] + 2 * tokens[1]), abs=1e-4)
    assert list(shares({"epochs": 2})) == [corpus.parent.name]


def test_folders_are_relative_to_the_file(corpus: Path, second: Path, tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "python").symlink_to(second)
    path = tmp_path / "configs/mix.toml"
    path.write_text('[[data.corpora]]\ncorpus = "../python"\n[[data.corpora]]\ncorpus = "s3://bucket/corpus"\n')
    config = presets.load("tiny", path)
    assert [entry.corpus for entry in config.data.corpora] == [str(tmp_path / "python"), "s3://bucket/corpus"]
    # As ranks get it.
    (tmp_path / "ranks.toml").write_text(toml_config.to_toml(config))
    assert presets.load("tiny", tmp_path / "ranks.toml") == config


def test_names_are_as_short_as_makes_them_differ() -> None:
    assert mixture._names(["/data/python"]) == ["python"]
    assert mixture._names(["/data/python", "s3://bucket/pipes/"]) == ["python", "pipes"]
    assert mixture._names(["/data/python/corpus", "/data/pipes/corpus"]) == ["python", "pipes"]
    assert mixture._names(["/a/x/corpus", "/b/x/corpus", "/b/y/corpus"]) == ["a/x", "b/x", "y"]
    assert mixture._names(["/corpus", "/b/corpus"]) == ["/corpus", "b/corpus"]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ([{"corpus": "SECOND", "weight": 2}], r"second.* has a weight and .*training.* has none; give each corpus one"),
        ([{"corpus": "SECOND", "weight": 2}, {"epochs": 1}], "has none; give each corpus one"),
        ([{"corpus": "SECOND"}, {"corpus": "SECOND"}], r"are the same corpus \(equal shards\); name it once"),
        ([{"corpus": "OWN"}, {}], "2 tables are of .*, the corpus of the command line"),
        ([{"corpus": "GONE"}], "no finished corpus"),
        ([{"weight": 0}], r"data.corpora\[0\].weight must lie between"),
        ([{"epochs": -1}], r"data.corpora\[0\].epochs must lie between"),
        ([{"wieght": 1}], r"unknown key data.corpora\[0\].wieght; did you mean"),
        ([{"epochs": 0.1}], r"schedule.tokens is 40,960, but the epochs of data.corpora end after 19,\d+ tokens"),
    ],
)
def test_contradictions_are_refused(
    corpus: Path, second: Path, tmp_path: Path, entries: list[dict[str, object]], says: str
) -> None:
    places = {"SECOND": str(second), "OWN": str(corpus), "GONE": str(tmp_path / "gone")}
    named = [entry | ({"corpus": places[str(entry["corpus"])]} if "corpus" in entry else {}) for entry in entries]
    with pytest.raises(InputError, match=says):
        training.train(corpus, tmp_path / "run", config=configured(*named))
    assert not (tmp_path / "run/run.json").exists()


def test_a_copy_and_a_corpus_with_another_tokenizer_are_refused(corpus: Path, second: Path, tmp_path: Path) -> None:
    for name in ("shards", "tokenizer"):
        shutil.copytree(second / name, tmp_path / "copy" / name)
    shutil.copy(second / "MANIFEST.json", tmp_path / "copy")
    entries = [{"corpus": str(second)}, {"corpus": str(tmp_path / "copy")}]
    with pytest.raises(InputError, match="are the same corpus"):
        mixture.opened(corpus, configured(*entries))
    path = tmp_path / "copy/tokenizer/tokenizer.json"
    tokenizer = json.loads(path.read_text("utf-8"))
    tokenizer["model"]["merges"].pop()
    path.write_text(json.dumps(tokenizer), "utf-8")
    facts = json.loads((tmp_path / "copy/MANIFEST.json").read_text())
    content = path.read_bytes()
    facts["files"]["tokenizer/tokenizer.json"] |= {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    facts.pop("check")
    (tmp_path / "copy/MANIFEST.json").write_text(json.dumps(facts | {"check": files.fingerprint(facts)}))
    says = r"copy: its tokenizer is another one .*build it again with tokenizer.path set to .*tokenizer/tokenizer.json"
    with pytest.raises(InputError, match=says):
        mixture.opened(corpus, configured(*entries[1:]))


def test_a_plan_has_tokens_share_and_passes_of_each_corpus(corpus: Path, second: Path) -> None:
    config = configured({"corpus": str(second), "weight": 1, "epochs": 0.5}, {"weight": 1})
    plan = training.plan_training(corpus, config=config, gpu="l4")
    assert {part.name for part in plan.corpora} == {corpus.parent.name, second.parent.name}
    assert [part.read for part in plan.corpora] == [plan.tokens / 2] * 2
    assert [part.used_up for part in plan.corpora] == [None, None]
    longer = presets.load("tiny", overrides={**SETTINGS, "schedule": {"tokens": 400_000}})
    plan = training.plan_training(corpus, config=replace(longer, data=config.data), gpu="l4")
    own, other = plan.corpora  # the largest share first
    assert own.read + other.read == pytest.approx(plan.tokens, abs=2)
    # Half of its row groups, which has about half of its tokens.
    assert other.epochs == pytest.approx(0.53, abs=0.03) and other.used_up == pytest.approx(0.157, abs=0.01)
    rows = {name.strip(): planned for name, planned, _ in plan.rows()}
    shown = f"{other.read / plan.tokens:.1%}: {other.epochs:.2f} x 58,776, used up after 16% of the run"
    assert rows[other.name].startswith(shown)
    alone = training.plan_training(corpus, config=longer, gpu="l4")
    assert alone.corpora == () and alone.tokens == plan.tokens


def test_a_plan_says_how_its_size_stands_to_published_results(corpus: Path) -> None:
    def planned(tokens: int) -> tuple[float, str]:
        config = presets.load("tiny", overrides={**SETTINGS, "schedule": {"tokens": tokens}})
        plan = training.plan_training(corpus, config=config, gpu="l4")
        rows = {name: figure for name, figure, _ in plan.rows()}
        assert rows["tokens per parameter"] == f"{plan.tokens / plan.parameters:,.0f}"
        return plan.tokens / plan.parameters, " ".join(plan.notes)

    parameters = training.plan_training(corpus, config=presets.load("tiny", overrides=SETTINGS), gpu="l4").parameters
    ratio, few = planned(50_000)
    assert ratio < 200 and "below the 200 to 2,000 of encoders" in few
    ratio, many = planned(300 * parameters)
    assert (
        200 <= ratio <= 2000
        and "within the 200 to 2,000" in many
        and "passes over the same text, but up to 4 are" in many
    )
    ratio, most = planned(3000 * parameters)
    assert ratio > 2000 and "above the 200 to 2,000" in most


def small(folder: Path, second: Path, more: str = "weight = 1", own: str = "weight = 3", steps: int = 6) -> Config:
    corpora = f'[[data.corpora]]\ncorpus = "{second}"\n{more}\n[[data.corpora]]\n{own}\n'
    return presets.load("tiny", runs.configure(folder, steps, "steps = 3\nkeep = 9", 3, corpora))


@pytest.fixture(scope="module")
def mixed(corpus: Path, second: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on both corpora. Only to be read."""
    folder = tmp_path_factory.mktemp("mixed")
    training.train(corpus, folder / "run", config=small(folder, second))
    return folder / "run"


def log(run: Path, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return [row for row in rows if row["kind"] == kind]


def test_each_corpus_is_validated(mixed: Path, corpus: Path, second: Path, capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads((mixed / "run.json").read_text())
    names = [part["name"] for part in facts["corpora"]]
    assert names == [corpus.parent.name, second.parent.name]
    held = log(mixed, "validation")
    assert [row["step"] for row in held] == [3, 6]
    for row in held:
        each = [row[f"loss/{name}"] for name in names]
        assert min(each) < row["loss"] < max(each) and row["loss_prose"] > 0
        assert all(0 <= row[f"accuracy/{name}"] <= 1 for name in names)
    screen = cli_train.Screen()
    screen.validated(6, {name: value for name, value in held[-1].items() if name not in ("kind", "step")})
    said = capsys.readouterr().err
    assert all(re.search(rf"; {name} loss \d\.\d{{3}}, right", said) for name in names), said


def test_a_run_keeps_its_corpora(mixed: Path, corpus: Path, second: Path, tmp_path: Path) -> None:
    facts = json.loads((mixed / "run.json").read_text())
    own, other = facts["corpora"]
    assert (own["weight"], own["share"], other["weight"], other["share"]) == (3, 0.75, 1, 0.25)
    for part, folder in ((own, corpus), (other, second)):
        assert not part["corpus"].startswith("/")
        assert (mixed / part["corpus"]).resolve() == folder.resolve()
        assert part["fingerprint"] == shard_reader.open_corpus(folder).fingerprint
    assert own["fingerprint"] == facts["fingerprint"]
    assert own["tokens"] + other["tokens"] == facts["tokens"]
    assert 0.2 < other["tokens"] / facts["tokens"] < 0.3
    config = presets.load(path=mixed / "run.toml")
    plan = training.plan_training(corpus, config=config, gpu="l4")
    rows = {name.strip(): measured for name, _, measured in plan.rows(training.measured(mixed))}
    assert rows[other["name"]] == f"{other['tokens'] / facts['tokens']:.1%}"
    toml = (mixed / "run.toml").read_text()
    assert str(second) not in toml
    assert [entry.corpus for entry in presets.load(path=mixed / "run.toml").data.corpora] == [str(second), None]


@pytest.mark.parametrize(
    ("more", "own", "says"),
    [
        ("weight = 1", "weight = 2", r"25.00% of the tokens.*these are .*33.33% of the tokens"),
        ("weight = 1\nepochs = 9", "weight = 3", r"these are .*25.00% of the tokens, at most 9 times"),
    ],
)
def test_a_run_does_not_go_on_with_another_mixture(
    mixed: Path, corpus: Path, second: Path, tmp_path: Path, more: str, own: str, says: str
) -> None:
    shutil.copytree(mixed, tmp_path / "run")
    with pytest.raises(InputError, match=says):
        training.train(corpus, tmp_path / "run", config=small(tmp_path, second, more, own))
    with pytest.raises(InputError, match="and these are one corpus"):
        training.train(corpus, tmp_path / "run", config=presets.load("tiny", runs.configure(tmp_path, 6)))


def test_a_run_does_not_go_on_with_a_corpus_that_was_built_anew(
    mixed: Path, corpus: Path, second: Path, tmp_path: Path
) -> None:
    shutil.copytree(mixed, tmp_path / "run")
    facts = json.loads((tmp_path / "run/run.json").read_text())
    facts["corpora"][1] |= {"fingerprint": "0" * 64, "corpus": os.path.relpath(second, tmp_path / "run")}
    (tmp_path / "run/run.json").write_text(json.dumps(facts))
    with pytest.raises(
        InputError, match=f"the shards of {second.parent.name} are not those that this run was begun on"
    ):
        training.train(corpus, tmp_path / "run", config=small(tmp_path, second))


def test_a_mixture_goes_on_to_the_last_bit(mixed: Path, corpus: Path, second: Path, tmp_path: Path) -> None:
    shutil.copytree(mixed, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/step-000000006")
    # The same shares in other words, and the tables in another order.
    path = runs.configure(tmp_path, 6, "steps = 3\nkeep = 9", 3)
    entries = (
        f'[[data.corpora]]\ncorpus = "{corpus}"\nweight = 0.75\n[[data.corpora]]\ncorpus = "{second}"\nweight = 0.25\n'
    )
    path.write_text(path.read_text() + entries)
    training.train(corpus, tmp_path / "run", config=presets.load("tiny", path))
    before, after = (json.loads((run / "run.json").read_text()) for run in (mixed, tmp_path / "run"))
    assert [part["tokens"] for part in after["corpora"]] == [part["tokens"] for part in before["corpora"]]
    for kind in ("train", "validation"):
        figures = [
            [
                {name: value for name, value in row.items() if re.match("step|loss|accuracy|gradient|tokens$", name)}
                for row in log(run, kind)
            ]
            for run in (mixed, tmp_path / "run")
        ]
        assert figures[0] == figures[1] and len(figures[0]) == {"train": 6, "validation": 2}[kind]


def test_checkpoints_of_earlier_versions_go_on(corpus: Path, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run", ignore=shutil.ignore_patterns("exported"))
    shutil.rmtree(tmp_path / "run/checkpoints/step-000000008")
    path = tmp_path / "run/checkpoints/step-000000006"
    state = json.loads((path / "state.json").read_text())
    state["cursors"] = [position[0][:2] for position in state["cursors"]]
    (path / "state.json").write_text(json.dumps(state))
    (path / "hashes.json").unlink()
    training.train(corpus, tmp_path / "run", config=presets.load("tiny", runs.configure(tmp_path)))
    assert runs.losses(tmp_path / "run") == runs.losses(whole)


def test_the_card_of_a_mixture_has_all_corpora(mixed: Path, second: Path, tmp_path: Path) -> None:
    # Moved without its corpora, which are where they were.
    moved = tmp_path / "elsewhere/deep/run"
    shutil.copytree(mixed, moved)
    run = json.loads((moved / "run.json").read_text())
    name = run["corpora"][1]["name"]
    facts = huggingface.export(moved, tmp_path / "model")
    card = (tmp_path / "model/README.md").read_text()
    assert [part["at_hand"] for part in facts["corpora"]] == [True, True]
    assert f"| {name} | 25.0% | no limit |" in card and f"| of {name} | " in card
    assert "tokens: train 245,544," in card and card.count("[pipes.example.com]") == 2
    # One that is gone does not keep the model from those who trained it.
    run["corpora"][1] |= {"fingerprint": "0" * 64, "corpus": "gone"}
    (moved / "run.json").write_text(json.dumps(run))
    facts = huggingface.export(moved, tmp_path / "model", force=True)
    card = (tmp_path / "model/README.md").read_text()
    assert [part["at_hand"] for part in facts["corpora"]] == [True, False]
    assert f"not in the tables below: {name}." in card and card.count("[pipes.example.com]") == 1
    run["corpora"][1] |= {"share": "much"}
    (moved / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match="not what socorpus train writes"):
        huggingface.export(moved, tmp_path / "model", force=True)
