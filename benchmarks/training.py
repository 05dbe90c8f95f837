"""What a trainer waits for, on one core: reading and packing against the rate that a GPU asks for; and packing's fill.

The corpus is one that was built before (of real sites, for real lengths); all its train row groups are read, packed and
masked, a few times over, and the shortest time counts.

    python benchmarks/training.py CORPUS [--length 2048]
"""

import argparse
import time
from pathlib import Path

from socorpus.training import presets
from socorpus.training.pretrain.data import lanes, masking, packing, shard_reader

TOKENS, FILL = 5e6, 0.995
"""Targets: tokens a second and core of reading and packing; share of the packs' room that is filled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--length", type=int, default=2048)
    given = parser.parse_args()
    found = shard_reader.open_corpus(given.corpus)
    groups = found.row_groups("train")
    settings = presets.load("tiny", overrides={"model": {"max_length": given.length}})
    packer = lanes.packer(settings, found.vocabulary)
    order = lanes.Order(len(groups), 1)
    best_read = best_all = best_mask = 1e9
    for _ in range(3):
        started = time.perf_counter()
        for group in groups:
            shard_reader.read(group)
        best_read = min(best_read, time.perf_counter() - started)
        lane = lanes.Lane(0, 1, groups, order, (0, 0), packer)
        packs: list[packing.Pack] = []
        started = time.perf_counter()
        # Whole blocks of groups, so that the left-overs are packed too.
        turns = -(-len(groups) // lanes.TAILS) * lanes.TAILS
        while lane.cursor[0] < turns:
            packs.append(lane.next())
        packs.pop()
        best_all = min(best_all, time.perf_counter() - started)
        started = time.perf_counter()
        for pack in packs[:2000]:
            masking.mask(pack, 0.3, settings.masking, found.vocabulary, 1)
        best_mask = min(best_mask, (time.perf_counter() - started) / min(len(packs), 2000) * len(packs))
    tokens = sum(len(pack.ids) for pack in packs)
    documents = sum(len(pack.lengths) for pack in packs)
    fill = packing.efficiency(packs, given.length)
    share = turns / len(groups)
    print(f"{tokens:,} tokens in {documents:,} documents, mean {tokens / documents:,.0f}, {len(groups)} row groups")
    print(f"read                {tokens / share / best_read / 1e6:8.1f} million tokens/s")
    print(f"read and pack       {tokens / best_all / 1e6:8.1f} million tokens/s   target {TOKENS / 1e6:.0f}")
    print(f"mask                {tokens / best_mask / 1e6:8.1f} million tokens/s")
    print(f"packs filled        {fill:8.2%}                    target {FILL:.1%}")


if __name__ == "__main__":
    main()
