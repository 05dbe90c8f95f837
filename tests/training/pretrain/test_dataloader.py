"""The order of the data: a function of seed and epoch, whoever reads it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from socorpus.corpus.errors import BuildError, InputError
from socorpus.training import config, presets
from socorpus.training.pretrain import schedule
from socorpus.training.pretrain.data import dataloader, lanes, masking, shard_reader
from socorpus.training.pretrain.data.dataloader import Batch, Stream
from socorpus.training.pretrain.data.lanes import Position, Source

SETTINGS = {
    "model": {"max_length": 128},
    "batch": {"tokens": 4096, "micro_tokens": 1024},
    "schedule": {"tokens": 40_960},
}


def stream(corpus: Path, rank: int = 0, ranks: int = 1, cursors: list[Position] | None = None, step: int = 0) -> Stream:
    settings = presets.load("tiny", overrides=SETTINGS)
    found = shard_reader.open_corpus(corpus)
    groups = found.row_groups("train")
    cut = dataloader.shape(len(groups), 128, settings.batch, ranks, None)
    return Stream(settings, found.vocabulary, [Source(groups)], cut, rank, cursors, step, _falling)


def _falling(step: int) -> float:
    return 0.3 if step < 3 else 0.2


def take(reader: Stream, count: int) -> list[Batch]:
    try:
        return [reader.next() for _ in range(count)]
    finally:
        reader.close()


def documents(batches: list[Batch]) -> list[tuple[int, ...]]:
    found = []
    for batch in batches:
        at = 0
        for length in batch.lengths:
            if at < batch.filled:
                found.append(tuple(batch.ids[at : at + length].tolist()))
            at += length
    return sorted(found)


def of_ranks(corpus: Path, ranks: int, steps: int, cursors: list[Position] | None = None, step: int = 0) -> list[Batch]:
    """The micro-batches of some steps, by all of some ranks."""
    batches = []
    for rank in range(ranks):
        reader = stream(corpus, rank, ranks, cursors, step)
        batches += take(reader, steps * reader.cut.micro_batches(rank))
    return batches


@pytest.mark.parametrize("ranks", [2, 3, 4, 16, 24, 32])
def test_a_step_is_made_of_the_same_documents_for_any_number_of_ranks(corpus: Path, ranks: int) -> None:
    assert documents(of_ranks(corpus, ranks, 5)) == documents(take(stream(corpus), 4 * 5))


@pytest.mark.parametrize("before", [1, 3, 32])
def test_reading_goes_on_from_the_cursors_with_any_number_of_ranks(corpus: Path, before: int) -> None:
    cursors: dict[int, Position] = {}
    for rank in range(before):
        reader = stream(corpus, rank, before)
        take(reader, 2 * reader.cut.micro_batches(rank))
        assert all(cursors.get(lane, cursor) == cursor for lane, cursor in reader.cursors.items())
        cursors |= reader.cursors
    starts = [cursors[lane] for lane in range(len(cursors))]
    rest = documents(take(stream(corpus), 4 * 5)[8:])
    for ranks in (1, 2, 24):
        assert documents(of_ranks(corpus, ranks, 3, starts, 2)) == rest


def test_an_epoch_reads_every_document_once_and_the_next_in_another_order(corpus: Path) -> None:
    settings = presets.load("tiny", overrides=SETTINGS)
    found = shard_reader.open_corpus(corpus)
    groups = found.row_groups("train")
    total = sum(len(shard_reader.read(group).ids) for group in groups)
    order = lanes.Order(len(groups), 1)
    assert sorted(order[place][1] for place in range(len(groups))) == list(range(len(groups)))
    assert [order[n][1] for n in range(len(groups))] != [order[n + len(groups)][1] for n in range(len(groups))]
    packer = lanes.packer(settings, found.vocabulary)
    lane = lanes.Lane(0, 1, groups, order, (0, 0), packer)
    tokens = 0
    # Eight epochs, since what is left over of eight groups is packed together.
    while lane.cursor[0] < 8 * len(groups) - 1 or lane.cursor[1] < len(lane._packs):
        pack = lane.next()
        tokens += len(pack.ids) - 2 * len(pack.lengths)
    assert tokens == 8 * total


def test_positions_begin_anew_with_each_document_and_labels_are_what_was_hidden(corpus: Path) -> None:
    vocabulary = shard_reader.open_corpus(corpus).vocabulary
    for batch in take(stream(corpus), 4):
        assert sum(batch.lengths) == len(batch.ids) == 1024
        at = 0
        for length in batch.lengths:
            if at < batch.filled:
                assert batch.positions[at : at + length].tolist() == list(range(length))
            at += length
        hidden = batch.ids[batch.places]
        share = (hidden == vocabulary.special["[MASK]"]).float().mean().item()
        assert 0.7 < share < 0.9 and ((hidden == batch.labels).float().mean().item()) < 0.2
        assert not set(batch.labels.tolist()) & set(vocabulary.special.values())
        assert 0.25 < len(batch.places) / batch.filled < 0.35 and int(batch.places.max()) < batch.filled


@pytest.mark.parametrize(
    ("changes", "low", "high"),
    [({}, 0.27, 0.33), ({"words": True}, 0.25, 0.35), ({"code_rate": 0.0}, 0.27, 0.33)],
)
def test_masks_follow_the_configuration(corpus: Path, changes: dict[str, object], low: float, high: float) -> None:
    settings = presets.load("tiny", overrides={**SETTINGS, "masking": changes})
    found = shard_reader.open_corpus(corpus)
    packer = lanes.packer(settings, found.vocabulary)
    packs = [pack for n, group in enumerate(found.row_groups("train")) for pack in packer.all(group, 0, n)]
    made = [masking.mask(pack, 0.3, settings.masking, found.vocabulary, 1) for pack in packs]
    in_code = sum(int(one.code.sum()) for one in made)
    prose = sum(int((~pack.code).sum()) for pack in packs)
    assert low < (sum(len(one.places) for one in made) - in_code) / prose < high
    assert (in_code == 0) == ("code_rate" in changes)
    again = [masking.mask(pack, 0.3, settings.masking, found.vocabulary, 1) for pack in packs]
    assert all((one.ids == two.ids).all() for one, two in zip(made, again, strict=True))
    if changes.get("words"):
        for pack, one in zip(packs, made, strict=True):
            hidden = np.zeros(len(pack.ids), np.bool_)
            hidden[one.places] = True
            joins = found.vocabulary.joins[pack.ids]
            inside = (joins[1:] & 1).astype(bool) & (joins[:-1] & 2).astype(bool)
            assert (hidden[1:][inside] == hidden[:-1][inside]).all()


def test_reading_that_stalls_or_fails_is_told(corpus: Path, tmp_path: Path) -> None:
    settings = presets.load("tiny", overrides={**SETTINGS, "data": {"stall_minutes": 0.01}})
    found = shard_reader.open_corpus(corpus)
    groups = found.row_groups("train")
    cut = dataloader.shape(len(groups), 128, settings.batch, 1, None)
    gone = [shard_reader.RowGroup(tmp_path / "gone.parquet", 0, 5)] * len(groups)
    reader = Stream(settings, found.vocabulary, [Source(gone)], cut, 0, None, 0, lambda _: 0.3)
    with pytest.raises(InputError, match=r"gone.parquet: row group 0 cannot be read"):
        reader.next()
    reader.close()
    reader = Stream(settings, found.vocabulary, [Source(groups)], cut, 0, None, 0, _slow)
    with pytest.raises(BuildError, match=r"no data was read from the shards for 0\.01 minutes"):
        reader.next()
    reader.close()


def _slow(step: int) -> float:
    import time

    time.sleep(2)
    return 0.3


def test_steps_that_cannot_be_dealt_are_refused() -> None:
    batch = config.Batch(tokens=4096, micro_tokens=1024)
    assert dataloader.shape(100, 128, batch, 4, None) == dataloader.Shape(16, 32, 8, 4)
    # Eleven packs in two micro-batches rather than in eleven.
    assert dataloader.shape(100, 128, batch, 3, None) == dataloader.Shape(16, 32, 6, 3)
    with pytest.raises(InputError, match="32 sequences of 128, fewer than the 33 data-parallel ranks"):
        dataloader.shape(100, 128, batch, 33, None)
    with pytest.raises(InputError, match=r"data\.lanes \(5\) must divide them.*a multiple of 640 tokens"):
        dataloader.shape(100, 128, batch, 1, 5)


def test_rates_rise_stay_and_fall() -> None:
    wsd = config.Schedule(form="wsd", warmup=0.1, decay=0.2)
    rates = [schedule.rate(wsd, step, 100) for step in range(100)]
    assert rates[:10] == [pytest.approx((step + 1) / 10) for step in range(10)] and set(rates[10:80]) == {1.0}
    assert rates[80:] == sorted(rates[80:], reverse=True) and 0 < rates[99] < 0.03
    cosine = config.Schedule(form="cosine", warmup=0.1, floor=0.1)
    rates = [schedule.rate(cosine, step, 100) for step in range(101)]
    assert max(rates) == 1.0 and rates[100] == pytest.approx(0.1) and rates[10:] == sorted(rates[10:], reverse=True)
    made = presets.load("modern-base")
    assert [schedule.masking_rate(made, step, 100) for step in (0, 79, 90)] == [0.3, 0.3, pytest.approx(0.225)]
    assert schedule.masking_rate(presets.load("sobert-base"), 99, 100) == 0.15


@given(
    form=some.sampled_from(["wsd", "cosine"]),
    tokens=some.integers(50_000, 200_000),
    widths=some.lists(some.tuples(some.integers(1, 40), some.sampled_from([64, 128, 192, 1024])), max_size=4),
)
def test_the_schedule_goes_by_tokens_whatever_the_batch(form: str, tokens: int, widths: list[tuple[int, int]]) -> None:
    """A batch that changes between two starts: the run ends with its tokens, at the rate that they have."""
    plan = config.Schedule(tokens=tokens, form=form, warmup=0.1, decay=0.5)

    def sized(batch: int) -> config.Config:
        return config.Config(schedule=plan, batch=config.Batch(tokens=batch))

    fine, first, seen = 1 << 20, 0, 0
    for count, batch in [*widths, (tokens, 64)]:
        course, width = schedule.Course(sized(batch), first, seen), batch / tokens
        for step in range(first, min(first + count, course.steps)):
            # What whole steps are worth: the rise is steep, and so is the beginning of 1 - sqrt.
            expected = schedule.rate(plan, seen / tokens * fine, fine)
            assert abs(course.rate(step) - expected) < 30 * width + 3 * width**0.5
            first, seen = step + 1, seen + batch
    assert tokens <= seen < tokens + max([64, *(batch for _, batch in widths)])
    whole = schedule.Course(sized(64))
    assert whole.steps == schedule.steps(sized(64))
    for step in range(0, whole.steps, 97):  # to the last bit
        assert whole.rate(step) == schedule.rate(plan, step, whole.steps)
        assert schedule.Course(sized(64), step, step * 64).rate(step) == whole.rate(step)
