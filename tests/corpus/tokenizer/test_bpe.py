"""The tokenizer: exact round trips, one result whatever the threads, special tokens that no text can make."""

import html
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from socorpus.corpus import arrays
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.corpus.tokenizer import bpe, pretokenize
from socorpus.corpus.tokenizer.folder import identity, load, save

SEED_TEXTS = [
    "def f(x):\n    return x + 1  # don't\n",
    "The method `list.append()` takes 1 argument; it's O(1).\n\n\tint main(void) { return 0; }\n",
    "Héllo wörld, 日本語 and 👩‍👩‍👧 emoji 12345 [MASK] and [CLS]",
] * 3

TRICKY = [
    *(
        "",
        " ",
        "\n",
        "\r\n\r\n",
        "\t\t x",
        "   \n  \n y",
        "\u00a0\u3000z",
        "a\x00b",
        "'s's 's x's x'sa x’ll ''",
        "é́́ e\u0301's",
    ),
    *(
        "!\u0301's",
        "x" * 5000,
        " " * 3000,
        "=" * 3000 + "\n\n",
        "٣٣٣٣٣ 1234567 ½²",
        "don't DON'T we’ve",
        "\U0010ffff\ue000\ufeff",
    ),
    *("[PAD][UNK][CLS][SEP][MASK]", "a [MASK] b", "Ġ▁Ċ", "👩‍👩‍👧❤️🇩🇪", "हिन्दी ไทย עברית", ");\n\n    }\r\n\telse {\n"),
]


LONG = [
    "x" * 5000,
    " x" + "x" * 2000 + "'s y",
    "=" * 3000 + "\n\n",
    " " * 3000,
    "日本語" * 500 + "!",
    "a" * 1024 + "e\u0301" * 900,
    "words " * 99 + "=" * 600 + "\n" * 600 + "x" * 1024,
    "\u3000" * 400 + "\r\n" * 520,
    "-\x01\x1c\x85" * 400,
    "a b " * 400,
    "x" * 1023,
    " " + "x" * 1024,
    "\n" * 512,
    "=" * 512,
]


@given(st.lists(st.one_of(st.sampled_from([*TRICKY, *LONG, *SEED_TEXTS]), st.text()), max_size=6))
def test_training_sees_no_piece_of_great_length_and_every_other_piece_as_it_is(texts: list[str]) -> None:
    """By the library's own cuts; what is cut off a long piece is the rest of it."""
    cutter = bpe.train(SEED_TEXTS, 320).pre_tokenizer

    def pieces(text: str) -> list[str]:
        return [piece for piece, _ in cutter.pre_tokenize_str(text)]  # a letter for each byte

    shortened = list(pretokenize.shortened(texts))
    assert "".join(shortened) == "".join(texts)
    seen = [piece for text in shortened for piece in pieces(text)]
    assert all(len(piece) <= pretokenize.LONGEST for piece in seen)
    whole = [piece for text in texts for piece in pieces(text)]
    short = [piece for piece in whole if len(piece) <= pretokenize.LONGEST]
    parts = iter(seen)
    assert all(piece in parts for piece in short)  # in their order
    if len(short) == len(whole):
        assert shortened == texts


def posts(real_data: Path) -> list[str]:
    """Bodies of posts without their markup, and comments, of all dumps."""
    found = []
    for path in sorted((real_data / "dumps").rglob("*.xml")):
        if path.name.lower() in ("posts.xml", "postswithdeleted.xml", "comments.xml"):
            for _, row in etree.iterparse(str(path), tag="row", recover=True, huge_tree=True):
                attributes = {name.lower(): value for name, value in row.attrib.items()}
                found.append(
                    html.unescape(re.sub("<[^>]*>", "", attributes.get("body") or attributes.get("text") or ""))
                )
                row.clear()
    return found


@pytest.fixture(scope="module")
def real_posts(real_data: Path) -> list[str]:
    return posts(real_data)


@pytest.fixture(scope="module")
def real_tokenizer(real_posts: list[str]) -> Tokenizer:
    return bpe.train(real_posts[::4], 4096)


@pytest.fixture(scope="module")
def small() -> Tokenizer:
    return trained_once()


def by_library(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return [one.ids for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def foreign(normalizer: normalizers.Normalizer | None = None, **model: object) -> Tokenizer:
    """A byte-level tokenizer that cuts as GPT-2 does, with all special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, [], **model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return tokenizer


def stored(tokenizer: Tokenizer, folder: Path) -> Path:
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_special_tokens_have_the_first_ids(small: Tokenizer) -> None:
    assert [small.token_to_id(name) for name in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]
    # Every byte has an entry, though the texts have few of them.
    assert set(pre_tokenizers.ByteLevel.alphabet()) <= set(small.get_vocab())


@given(st.lists(st.text(), max_size=5))
def test_any_text_comes_back(texts: list[str]) -> None:
    tokenizer = trained_once()
    lists = bpe.encode(tokenizer, pa.array(texts, pa.string())).to_pylist()
    assert [tokenizer.decode(ids, skip_special_tokens=False) for ids in lists] == texts
    assert lists == by_library(tokenizer, texts)


@given(
    st.text(
        alphabet=" \t\r\n'’stredvlmA1_9٣²é\u0301\ufe0f😀中.;({[\u00a0\u2028\u3000\x85\x1c\u200b\u0b83\U000e0100",
        max_size=60,
    )
)
def test_pieces_are_those_of_the_pattern(text: str) -> None:
    split = pre_tokenizers.Split(Regex(pretokenize.PATTERN), "isolated")
    assert cut(text) == [piece for piece, _ in split.pre_tokenize_str(text)]


def cut(text: str) -> list[str]:
    data, offsets = arrays.utf8(pa.array([text]))
    pieces, _, starts, ends = pretokenize.cut(data, offsets)
    return [data[starts[piece] : ends[piece]].tobytes().decode() for piece in pieces]


@cache
def trained_once() -> Tokenizer:
    return bpe.train(SEED_TEXTS, 400)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("    return x", ["   ", " return", " x"]),
        ("{\n\t\tfoo(a_b);\n}", ["{\n", "\t\t", "foo", "(", "a", "_", "b", ");\n", "}"]),
        ("x = 's'; it's", ["x", " =", " '", "s", "';", " it", "'s"]),
        ("Python 3.11.1234567", ["Python", " 3", ".", "11", ".", "123", "456", "7"]),
        ("a\n\n    \n  b", ["a", "\n\n    \n", " ", " b"]),
        ("हिन्दी भाषा", ["हिन्दी", " भाषा"]),
    ],
)
def test_cuts(text: str, pieces: list[str]) -> None:
    assert cut(text) == pieces


def test_equal_to_the_library_on_tricky_texts(small: Tokenizer) -> None:
    # All code points that Unicode assigns, so that the classes are those that the library has.
    points = [chr(point) for point in range(0x40000) if not 0xD800 <= point < 0xE000]
    texts = TRICKY + ["a".join(points[at : at + 512]) for at in range(0, len(points), 512)]
    encoded = bpe.encode(small, pa.array(texts))
    assert encoded.type == pa.list_(pa.uint16())
    assert encoded.to_pylist() == by_library(small, texts)


def test_equal_to_the_library_on_all_real_text(real_tokenizer: Tokenizer, real_posts: list[str]) -> None:
    encoded = bpe.encode(real_tokenizer, pa.array(real_posts))
    batch = real_tokenizer.encode_batch_fast(real_posts, add_special_tokens=False)
    assert encoded.equals(pa.array([one.ids for one in batch], pa.list_(pa.uint16())))
    some = range(0, len(real_posts), 8)
    decoded = real_tokenizer.decode_batch([encoded[i].as_py() for i in some], skip_special_tokens=False)
    assert decoded == [real_posts[i] for i in some]


def test_forms_of_arrays(small: Tokenizer) -> None:
    texts = pa.array(["none", *SEED_TEXTS, "none"])
    expected = by_library(small, SEED_TEXTS)
    for given_ in (
        texts.slice(1, len(SEED_TEXTS)),
        pa.array(SEED_TEXTS, pa.large_string()),
        pa.chunked_array([SEED_TEXTS[:4], [], SEED_TEXTS[4:]], pa.string()),
    ):
        assert bpe.encode(small, given_).to_pylist() == expected
        assert bpe.encode(small, given_, threads=3).to_pylist() == expected
    for empty in (pa.array([], pa.string()), pa.chunked_array([], pa.string()), pa.array(["", ""])):
        assert bpe.encode(small, empty).to_pylist() == [[]] * len(empty)
    with pytest.raises(ValueError, match="null"):
        bpe.encode(small, pa.array(["a", None]))


def test_special_tokens_in_text_stay_text(small: Tokenizer, tmp_path: Path) -> None:
    text = "".join(SPECIAL_TOKENS) + " and [MASK]"
    save(small, tmp_path)
    for tokenizer in (small, load(tmp_path), load(stored(foreign(), tmp_path))):
        (ids,) = bpe.encode(tokenizer, pa.array([text])).to_pylist()
        assert not set(ids) & {tokenizer.token_to_id(name) for name in SPECIAL_TOKENS}
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_byte_lengths_add_up(small: Tokenizer) -> None:
    lengths = bpe.byte_lengths(small)
    assert lengths[:5].tolist() == [0] * 5
    assert (lengths[5:] > 0).all()
    text = "naïve 👩‍👩‍👧 code\n    x = 1"
    (ids,) = bpe.encode(small, pa.array([text])).to_pylist()
    ends = np.cumsum(lengths[ids])
    raw = text.encode()
    pieces = [raw[end - length : end] for end, length in zip(ends, lengths[ids], strict=True)]
    assert b"".join(pieces) == raw
    # The bytes that a token stands for are those that it decodes to, where they are whole characters.
    for number, piece in zip(ids, pieces, strict=True):
        assert small.decode([number]) == piece.decode("utf-8", "replace")


def test_training_is_the_same_for_any_threads_and_order(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from socorpus.corpus.tokenizer import bpe, folder;"
        "texts = [' '.join(f'w{i * j % 97} foo_{j}({i});' for j in range(40)) for i in range(400)];"
        "folder.save(bpe.train(texts[::int(sys.argv[2])], 900), Path(sys.argv[1]))"
    )
    made = set()
    for threads, step in (("1", "1"), ("2", "1"), ("2", "-1")):
        folder = tmp_path / f"{threads}{step}"
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "true"}
        subprocess.run([sys.executable, "-c", program, str(folder), step], check=True, env=environment)
        made.add((folder / "tokenizer.json").read_bytes())
    assert len(made) == 1


def test_training_tells_how_far_it_is() -> None:
    shown: list[int] = []
    bpe.train(["some text"] * 2500, 300, shown.append)
    assert shown == [1000, 2000, 2500]


def test_saved_and_loaded_are_one(small: Tokenizer, tmp_path: Path) -> None:
    paths = save(small, tmp_path)
    assert sorted(path.name for path in paths) == sorted(path.name for path in tmp_path.iterdir())
    loaded = load(tmp_path)
    assert identity(loaded) == identity(small) == identity(load(tmp_path / "tokenizer.json"))
    assert identity(loaded) != identity(foreign())
    assert loaded.encode("x").tokens == ["[CLS]", "x", "[SEP]"]
    assert loaded.encode("x", "y").type_ids == [0, 0, 0, 1, 1]
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["model_max_length"] == 2048
    assert settings["added_tokens_decoder"]["4"]["content"] == settings["mask_token"] == "[MASK]"


def test_a_given_tokenizer_is_used_as_it_is(tmp_path: Path) -> None:
    other = foreign()
    other.add_tokens(["    ", "foo"])
    other.enable_truncation(4)
    other.enable_padding(length=8)
    loaded = load(stored(other, tmp_path))
    (ids,) = bpe.encode(loaded, pa.array(["    foo bar's"])).to_pylist()
    assert loaded.decode(ids, skip_special_tokens=False) == "    foo bar's"
    assert bpe.byte_lengths(loaded)[ids].tolist() == [4, 3, *[1] * 6]


def test_refused_tokenizers(tmp_path: Path) -> None:
    def refused(tokenizer: Tokenizer, match: str) -> None:
        with pytest.raises(InputError, match=match):
            load(stored(tokenizer, tmp_path))

    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        load(Path("a\0b"))
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="not a tokenizer"):
        load(tmp_path)
    lacking = Tokenizer.from_str(foreign().to_str().replace("[MASK]", "[OTHER]").replace("[PAD]", "[OTHER2]"))
    refused(lacking, r"has no \[PAD\], \[MASK\]")
    refused(foreign(normalizers.Lowercase()), "does not round-trip: 'MASK.* comes back as 'mask")
    refused(foreign(normalizers.NFC()), "does not round-trip")
    refused(foreign(dropout=0.1), "dropout")
    large = foreign()
    large.add_tokens([f"entry{number}" for number in range(65_536)])
    refused(large, "65,797 entries")
    pieces = Tokenizer(models.WordPiece({name: i for i, name in enumerate([*SPECIAL_TOKENS, "a"])}, unk_token="[UNK]"))
    pieces.add_special_tokens(list(SPECIAL_TOKENS))
    refused(pieces, "round-trip")


def test_size_grows_with_the_corpus() -> None:
    sizes = [bpe.size_for(int(mb * 1e6)) for mb in (0, 0.1, 1, 4, 16, 64, 256, 1e5)]
    assert sizes == sorted(sizes)
    assert all(size % 64 == 0 for size in sizes)
    assert sizes[0] >= 261
    assert 2000 < sizes[3] < 8000
    assert sizes[-2:] == [50_048, 50_048]
    assert bpe.size_for(10**12, 30_000) == 30_000


def test_most_entries_are_filled(real_posts: list[str]) -> None:
    # Half of the texts: the rule was not made to fit one size.
    texts = real_posts[::2]
    tokenizer = bpe.train(texts, bpe.size_for(sum(len(text.encode()) for text in texts)))
    counts = np.bincount(bpe.encode(tokenizer, pa.array(texts)).values.to_numpy(), minlength=tokenizer.get_vocab_size())
    assert (counts[261:] >= 20).mean() > 0.85
