"""Tokenizers of any kind: their special tokens by role, and where code is among their tokens."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from socorpus.corpus import schema
from socorpus.corpus.errors import InputError
from socorpus.corpus.schema import SPECIAL_TOKENS
from socorpus.corpus.tokenizer import bpe, folder
from socorpus.corpus.tokenizer.given import Given, encode, parse
from tests.corpus import making

TEXTS = ["How do I Sort a list?\nxs.sort()\nplease", "naïve 日本語 x", "", "[MASK] <mask> </s>", "a" * 300]


def wordpiece() -> Tokenizer:
    """One that puts all into lower case and knows no bytes."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(
        TEXTS * 3, trainers.WordPieceTrainer(vocab_size=120, special_tokens=list(SPECIAL_TOKENS), show_progress=False)
    )
    made.post_processor = ends(made, "[CLS]", "[SEP]")
    return made


def in_brackets(entries: int = 400) -> Tokenizer:
    """Byte-level, its special tokens named as RoBERTa's and in another order."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=entries, special_tokens=names, initial_alphabet=alphabet)
    made.train_from_iterator(TEXTS * 3, trainer)
    made.post_processor = ends(made, "<s>", "</s>")
    return made


def ends(tokenizer: Tokenizer, first: str, last: str) -> Any:
    tokens = [(name, tokenizer.token_to_id(name)) for name in (first, last)]
    return processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=tokens)


def read(tokenizer: Tokenizer, **settings: Any) -> Given:
    return parse({"tokenizer.json": tokenizer.to_str(), "tokenizer_config.json": json.dumps(settings)}, "model")


def of(given: Given, parts: list[making.Part]) -> tuple[list[int], list[int]]:
    rows = making.documents([{"post_id": 1, "parts": parts}])
    ids, code = encode(given, rows["text"], rows["segments"])
    return ids.to_pylist()[0], code.to_pylist()[0]


def test_special_tokens_are_known_by_their_roles() -> None:
    given = read(in_brackets())
    assert given.special == {"[PAD]": 1, "[UNK]": 3, "[CLS]": 0, "[SEP]": 2, "[MASK]": 4}
    assert read(wordpiece()).special == {name: number for number, name in enumerate(SPECIAL_TOKENS)}
    # Settings say which entry has a role; those of the tokenizer itself count more where it sets the ends.
    named = read(in_brackets(), mask_token={"content": "<unk>"}, cls_token="<pad>")
    assert (named.special["[MASK]"], named.special["[CLS]"]) == (3, 0)
    without = in_brackets()
    without.post_processor = processors.ByteLevel()
    assert read(without, bos_token="<s>", eos_token="</s>").special["[SEP]"] == 2


@pytest.mark.parametrize("make", [wordpiece, in_brackets])
def test_a_token_is_code_where_its_first_character_is(make: Any) -> None:
    given = read(make())
    ids, code = of(given, [("prose", "How do I Sort"), ("code", "xs.sort()"), ("code", ""), ("prose", "please naïve")])
    first, end = code  # the segment without a character has no token
    tokens = [given.tokenizer.id_to_token(number) for number in ids[first:end]]
    assert "".join(token.removeprefix("##") for token in tokens) == "xs.sort()"


def test_the_corpus_s_own_tokenizer_gives_the_tokens_of_the_shards(tmp_path: Path) -> None:
    tokenizer = bpe.train([*TEXTS, "xs = [1, 2]\n\tprint(xs) # naïve"] * 4, 320)
    folder.save(tokenizer, tmp_path)
    given = folder.load_given(tmp_path)
    texts = pa.chunked_array([pa.array(TEXTS)])
    none = pa.array([[]] * len(TEXTS), schema.SHARDS.field("segments").type)
    ids, _ = encode(given, texts, pa.chunked_array([none]))
    assert ids.to_pylist() == bpe.encode(tokenizer, texts).to_pylist()


def test_text_makes_no_special_token_and_ids_are_as_wide_as_the_vocabulary() -> None:
    made = in_brackets()
    many = {**made.get_vocab(), **{f"x{number}": number for number in range(400, 70_000)}}
    model = json.loads(made.to_str())
    model["model"]["vocab"] = many
    given = parse({"tokenizer.json": json.dumps(model)}, "model")
    assert given.entries == 70_000
    ids, _ = of(given, [("prose", TEXTS[3])])
    assert not {0, 1, 2, 4} & set(ids)
    table = making.documents([{"post_id": 1, "text": "x"}])
    assert encode(given, table["text"], table["segments"])[0].type == pa.list_(pa.uint32())


def test_identity_is_that_of_what_decides_on_tokens() -> None:
    first, made = read(in_brackets()), in_brackets()
    parts = json.loads(made.to_str())
    for token in parts["added_tokens"]:
        token["lstrip"] = True
    parts["truncation"] = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
    same = parse({"tokenizer.json": json.dumps(parts)}, "model")
    assert same.identity == first.identity
    ids, _ = of(same, [("prose", "a b c d e f g h i j k l")])
    assert len(ids) > 8
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    assert read(made).identity != first.identity


def without(name: str) -> Tokenizer:
    parts = json.loads(wordpiece().to_str())
    parts["added_tokens"] = [token for token in parts["added_tokens"] if token["content"] != name]
    parts["model"]["vocab"]["x" * 40] = parts["model"]["vocab"].pop(name)
    if name in ("[CLS]", "[SEP]"):
        parts["post_processor"] = None
    return Tokenizer.from_str(json.dumps(parts))


@pytest.mark.parametrize("name", ["[PAD]", "[CLS]", "[SEP]", "[MASK]"])
def test_a_tokenizer_that_lacks_a_special_token_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=rf"^model: the tokenizer has no token for .*\{name[:-1]}\]"):
        read(without(name))


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json there"):
        folder.load_given(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(InputError, match="is not a tokenizer of the tokenizers library"):
        folder.load_given(tmp_path)
    (tmp_path / "tokenizer.json").write_text(wordpiece().to_str(), "utf-8")
    (tmp_path / "tokenizer_config.json").write_text("[1", "utf-8")
    with pytest.raises(InputError, match=r"tokenizer_config.json can't be read"):
        folder.load_given(tmp_path)
    dropping = json.loads(in_brackets().to_str())
    dropping["model"]["dropout"] = 0.1
    with pytest.raises(InputError, match="drops merges at random"):
        parse({"tokenizer.json": json.dumps(dropping)}, "model")


def test_code_that_settings_name_is_not_copied(tmp_path: Path) -> None:
    given = read(wordpiece(), auto_map={"AutoTokenizer": "evil.Tokenizer"}, mask_token="[MASK]")
    paths = folder.save_given(given, tmp_path)
    assert "auto_map" not in json.loads((tmp_path / "tokenizer_config.json").read_text("utf-8"))
    assert {path.name for path in paths} == {"tokenizer.json", "tokenizer_config.json"}
    assert folder.load_given(tmp_path).identity == given.identity


def test_ranges_of_code_are_whole_numbers_of_tokens() -> None:
    given = read(in_brackets())
    rows = making.documents([{"post_id": n, "parts": [("prose", "a b"), ("code", "x = 1")] * n} for n in range(1, 90)])
    ids, code = encode(given, rows["text"], rows["segments"])
    for number, (own, ranges) in enumerate(zip(ids.to_pylist(), code.to_pylist(), strict=True), start=1):
        assert len(ranges) == 2 * number and np.all(np.diff(ranges) > 0) and ranges[-1] <= len(own)
