"""The split of labels: each label has its share of every split, by time, and what is held out stays so."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.corpus.config import Split
from socorpus.corpus.schema import SPLITS
from socorpus.corpus.shards import split
from socorpus.labeling import stratify
from socorpus.labeling.schema import TASKS
from tests.building import table
from tests.labeling.labelled import rows

TRAIN, VALIDATION, TEST = range(3)
_THREAD = st.tuples(st.integers(0, 2), st.sampled_from((TRAIN, TRAIN, TRAIN, VALIDATION, TEST)), st.booleans())


@given(st.lists(_THREAD, max_size=60), st.sampled_from((Split(0.1, 0.1), Split(0.0, 0.2), Split(0.3, 0.3))))
def test_what_is_held_out_stays_so_and_every_label_has_its_share(
    threads: list[tuple[int, int, bool]], shares: Split
) -> None:
    label, held, tied = (np.array([one[at] for one in threads], np.int64) for at in range(3))
    fixed = tied.astype(bool)
    new = stratify.assign(label, np.arange(len(label)) / 100, held, fixed, shares)
    assert (new >= held).all() and (new[fixed] == held[fixed]).all()
    for one in range(3):
        of = label == one
        if of.sum() < split.FEWEST:
            assert (new[of] == held[of]).all()
            continue
        validation, test = split.sizes(int(of.sum()), shares)
        free = of & ~fixed
        if free.sum() >= validation + test:
            assert (new[of] == TEST).sum() >= test
        # No more than the share is taken out of training.
        taken = (new != held) & of
        assert (taken & (new == TEST)).sum() <= test and (taken & (new == VALIDATION)).sum() <= validation
        # Of what was to train on, the newest goes.
        trained = free & (held == TRAIN)
        kept, gone = np.flatnonzero(trained & (new == TRAIN)), np.flatnonzero(trained & (new != TRAIN))
        assert not len(kept) or not len(gone) or kept.max() < gone.min()


def test_the_newest_of_a_label_are_for_test_and_those_before_them_for_validation() -> None:
    label = np.array([0, 1] * 20)
    nothing = np.zeros(40, np.int64)
    new = stratify.assign(label, np.arange(40) / 40, nothing, nothing.astype(bool), Split(0.1, 0.2))
    for one in (0, 1):
        assert new[label == one].tolist() == [TRAIN] * 14 + [VALIDATION] * 2 + [TEST] * 4


@pytest.mark.parametrize("task", ["quality", "closure", "obsolescence"])
def test_labels_of_a_corpus_are_stratified_and_no_thread_straddles(built: Path, task: str) -> None:
    labels = rows(built, task, "labels")
    examples = {(row["site"], row["post_id"]): row for row in rows(built, task, "examples")}
    order = {name: at for at, name in enumerate(SPLITS)}
    by_thread: dict[tuple[str, int], set[str]] = {}
    for row in labels:
        by_thread.setdefault((row["site"], row["thread_id"]), set()).add(row["split"])
        assert order[row["split"]] >= order[examples[row["site"], row["post_id"]]["split"]]
    assert all(len(splits) == 1 for splits in by_thread.values())
    for name in TASKS[task].labels:
        of = [row["split"] for row in labels if row["label"] == name]
        if len(of) >= 60:
            # About a tenth each: people's and combined labels are not the strata, and some threads are tied.
            assert 0.06 < of.count("test") / len(of) < 0.2 and 0.06 < of.count("validation") / len(of) < 0.2, name
    # No copy of what is trained on is in a later split.
    trained = {(row["site"], row["post_id"]): row["split"] for row in labels}
    for signal in ("near", "near_code"):
        documents = table(built, "documents").select(["site", "post_id"]).to_pylist()
        clusters: dict[str, set[str]] = {}
        for document, cluster in zip(documents, table(built, f"signals/{signal}")["cluster"].to_pylist(), strict=True):
            of_post = trained.get((document["site"], document["post_id"]))
            if cluster is not None and of_post is not None:
                clusters.setdefault(cluster, set()).add(of_post)
        assert all(len(splits) == 1 for splits in clusters.values()), signal
