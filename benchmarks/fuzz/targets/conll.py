"""CoNLL: what is exported is read back, spans widened to words; and anybody's file in the form of the NER corpus."""

import tempfile
import warnings
from pathlib import Path

from benchmarks.fuzz.engine import Target, same, text
from socorpus.corpus.documents.spans import UNWANTED
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.labeling.datasets import so_ner
from socorpus.labeling.export import formats
from socorpus.labeling.tasks.entities import bio
from socorpus.labeling.tasks.entities.spans import Span
from tests.labeling import label_tables
from tests.our_tasks import ENTITIES

_LABELS = ("Library", "Class", "Version")


def check(data: bytes) -> None:
    """An input that begins with a tab is a file to read; any other a text, after a byte for the number of spans."""
    if data.startswith(b"\t"):
        _read(data[1:])
        return
    count = data[0] % 8 if data else 0
    marks, value = data[1 : 1 + 3 * count], UNWANTED.sub("\ufffd", text(data[1 + 3 * count :]))
    spans, last, place = [], 0, 0
    for gap, length, name in zip(marks[::3], marks[1::3], marks[2::3], strict=False):
        start = place + gap % 9
        end = start + 1 + length % 9
        if start >= last and end <= len(value):
            spans.append(Span(start, end, _LABELS[name % 3]))
            last = place = end
    _export(value, spans)


def _read(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.txt")
        path.write_bytes(data)
        try:
            documents = so_ner.read(path)
        except InputError as error:
            assert "train.txt" in str(error)
            return
    for document in documents:
        for span in document.spans:
            assert 0 <= span.start < span.end <= len(document.text), span
        for part in document.segments:
            assert part["start"] < part["end"] <= len(document.text), part


def _export(value: str, spans: list[Span]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        labels = [label_tables.label("entities", 1, span.label, 0.9, (span.start, span.end)) for span in spans]
        label_tables.write(root, "entities", [label_tables.example(1, value)], labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SocorpusWarning)  # texts without a span are exported with a warning
            formats.export(root, ENTITIES, "conll", root / "out")
        content = (root / "out/train.conll").read_bytes().decode()
    lines = [line.split("\t") for line in content.split("\n") if line]
    same(lines[0], ["-DOCSTART-", label_tables.SITE, "1", "O"], "the first line")
    offsets = [(int(start), int(end)) for _, start, end, _ in lines[1:]]
    same(offsets, bio.words(value), "words")
    same([line[0] for line in lines[1:]], [value[start:end] for start, end in offsets], "the words' texts")
    tags = [line[3] for line in lines[1:]]
    same(tags, bio.tags(spans, offsets), "tags")
    again = bio.spans(tags, offsets)
    same(bio.tags(again, offsets), tags, "tags of the spans of tags")
    # A sentence never begins within a span: readers would refuse it.
    for block in content.split("\n\n"):
        rows = [line.split("\t")[3] for line in block.split("\n") if line]
        assert not rows or not rows[0].startswith("I-"), block


TARGET = Target(
    "conll",
    check,
    seeds=[
        b"\x02\x00\x05\x00\x04\x05\x01numpy and pandas can't\nread 1.2.3 of it",
        b"\x01\x02\x08\x02caf\xc3\xa9 \xf0\x9f\x98\x80\xe2\x80\x8d \xe2\x80\xa8 \t x\x85\r\n",
        b"\tQuestion_ID\tO\tQuestion_ID\tO\n:\tO\t:\tO\n12\tO\t12\tO\n\t\n\nUse\tO\tUse\tO\nnumpy\tB-Library\tnumpy\tB-Code_Block\n",
    ],
    tokens=[
        *(
            b"\t",
            b"\n",
            b" ",
            b"\r\n",
            b"x",
            b"B-Library",
            b"I-Library",
            b"O",
            b"B-Class",
            b"-DOCSTART-",
            b"Question_ID",
        ),
        *(
            b"CODE_BLOCK\tO\tx\tO\n",
            b"omitted\tO\tx\tO\n",
            b")\tO\tx\tO\n",
            b":\tO\t:\tO\n",
            b"Answer_to_Question_ID\tO\tx\tO\n",
        ),
        *(
            b"Question_ID\tO\tx\tO\n:\tO\t:\tO\n1\tO\t1\tO\n\n",
            b"x\tB-A\tx\tI-B\n",
            b"\xc2\xb2\tO\t1\tO\n",
            b"-----",
            b"\x0b",
            b"\x1c",
        ),
        *(
            b"\xc2\x85",
            b"\xe2\x80\xa8",
            b"\xcc\x81",
            b"\xf0\x9f\x98\x80",
            b"can't",
            b"_",
            b".",
            b"\x00",
            b"\x05",
            b"\xe3\x80\x80",
        ),
    ],
)
