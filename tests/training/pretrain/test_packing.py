"""Documents into packs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.training.pretrain.data import packing
from socorpus.training.pretrain.data.packing import Group

LENGTHS = st.lists(st.integers(1, 150), max_size=60)


def group(lengths: list[int]) -> Group:
    bounds = np.cumsum([0, *lengths])
    ids = np.arange(bounds[-1], dtype=np.uint16) + 10
    return Group(ids, ids % 3 == 0, bounds)


@given(LENGTHS)
def test_best_fit_loses_nothing_and_overfills_nothing(lengths: list[int]) -> None:
    packs = packing.best_fit(lengths, 150)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    assert all(sum(lengths[index] for index in pack) <= 150 for pack in packs)
    # Johnson 1974: never more than 11/9 of the fewest, and 4.
    assert len(packs) <= 11 / 9 * -(-sum(lengths) // 150) * 1.7 + 4


@given(LENGTHS, st.integers(8, 64), st.integers(0, 5))
def test_every_token_is_in_a_pack_once_and_with_its_neighbours(lengths: list[int], room: int, overlap: int) -> None:
    found = packing.cut_out(group(lengths), room, overlap, True)
    packs = packing.pack(found, room, (1, 2), (0, 3), seed=7)
    tokens: list[int] = []
    for pack in packs:
        assert sum(pack.lengths) == len(pack.ids) == len(pack.code) <= room
        at = 0
        for length in pack.lengths:
            ids = pack.ids[at : at + length]
            assert (ids[0], ids[-1]) == (1, 2) and not pack.code[at] and not pack.code[at + length - 1]
            assert (np.diff(ids[1:-1]) == 1).all()
            assert (pack.code[at + 1 : at + length - 1] == (ids[1:-1] % 3 == 0)).all()
            tokens += ids[1:-1].tolist()
            at += length
    assert set(tokens) == set(range(10, 10 + sum(lengths)))
    if not overlap:
        assert len(tokens) == sum(lengths)
    assert len({pack.key for pack in packs}) == len(packs)


def test_a_long_document_is_cut_with_the_overlap_or_read_no_further() -> None:
    bounds = np.array([0, 25])
    assert packing.pieces(bounds, 10, 2, True) == [(0, 10), (8, 18), (16, 25)]
    assert packing.pieces(bounds, 10, 0, True) == [(0, 10), (10, 20), (20, 25)]
    assert packing.pieces(bounds, 10, 2, False) == [(0, 10)]


def test_half_empty_packs_are_set_aside_whole() -> None:
    made = packing.pack(packing.cut_out(group([62, 62, 62, 30]), 64, 0, True), 64, (1, 2), (0, 0), 1)
    full, rest = packing.part(made, 64)
    assert len(full) == 3 and [len(ids) for ids, _ in rest] == [30]
    assert rest[0][0].tolist() == list(range(196, 226))


@pytest.mark.parametrize("mean", [150, 400])
def test_packs_of_real_lengths_are_full(mean: int) -> None:
    random = np.random.default_rng(3)
    lengths = np.clip(random.lognormal(np.log(mean), 0.9, 8192).astype(int), 5, 20_000).tolist()
    packs, rest = [], []
    for start in range(0, len(lengths), 1024):
        full, left = packing.part(
            packing.pack(
                packing.cut_out(group(lengths[start : start + 1024]), 2048, 0, True), 2048, (1, 2), (0, start), 1
            ),
            2048,
        )
        packs += full
        rest += left
    packs += packing.pack(rest, 2048, (1, 2), (0, 0), 1, 1 << 20)
    assert packing.efficiency(packs, 2048) >= 0.995
