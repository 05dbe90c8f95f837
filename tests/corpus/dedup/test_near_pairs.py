"""Near duplicates by pairs: texts that say opposite things are two, copies are one."""

import pytest

from socorpus.corpus.config import Near
from socorpus.corpus.dedup import clusters, lsh
from tests.corpus.dedup.test_dedup import Post, table

LONG = (
    "You have to look at the way in which the program reads its settings when it starts and what it does with the ones "
    "that it finds there. First it reads the file in your home folder, then the one beside the project, and whatever "
    "the second file says wins over the first. That is the reason why your change seems to be ignored. Open the second "
    "file in an editor, look for the line with the name of the setting, and {}. After that restart the program and "
    "look at the log, where you should see the new value. If you still see the old value there, then the program was "
    "started by another user whose home folder has a file of its own, so ask whoever looks after the machine."
)
"""More than a hundred words, which a share of them calls alike."""
BLOCK = (
    "import os\nimport sys\n\ndef main(path):\n    with open(path) as file:\n        for line in file:\n"
    "            fields = line.split(',')\n            if len(fields) {} 3:\n"
    "                print(fields[0], fields[2])\n"
    "\nif __name__ == '__main__':\n    main(sys.argv[1])\n"
)


def parts(text: str) -> list[tuple[str, str]]:
    """A text as prose and, between backticks, inline code."""
    pieces = text.split("`")
    return [("inline_code" if number % 2 else "prose", piece) for number, piece in enumerate(pieces) if piece]


OPPOSITE: dict[str, tuple[str, str]] = {
    "language C#": (
        "C is the right language for a task like this one",
        "C# is the right language for a task like this one",
    ),
    "language C++": (
        "C is the right language for a task like this one",
        "C++ is the right language for a task like this one",
    ),
    "language .NET": (
        "I know that the .NET way is the best of all these",
        "I know that the NET way is the best of all these",
    ),
    "margin": (LONG.format("set it to 10px"), LONG.format("set it to -10px")),
    "length": (LONG.format("set it to 10px"), LONG.format("set it to 12px")),
    "equality": (LONG.format("compare both with `==`"), LONG.format("compare both with `===`")),
    "equality in prose": (LONG.format("compare both with == there"), LONG.format("compare both with === there")),
    "inequality": (LONG.format("make sure that x == y"), LONG.format("make sure that x != y")),
    "order": (LONG.format("make sure that x < y"), LONG.format("make sure that x > y")),
    "option": (LONG.format("add `-p` to it"), LONG.format("add `-P` to it")),
    "option in prose": (LONG.format("add -p to it"), LONG.format("add -P to it")),
    "other option": (LONG.format("add --force to it"), LONG.format("add --quiet to it")),
    "negation": (LONG.format("do change it"), LONG.format("do not change it")),
    "contraction": (LONG.format("you should change it"), LONG.format("you shouldn't change it")),
    "never": (LONG.format("always leave it"), LONG.format("never leave it")),
    "truth": (LONG.format("make it true"), LONG.format("make it false")),
    "switch": (LONG.format("enable the cache"), LONG.format("disable the cache")),
    "version": (LONG.format("use Python 2.7 there"), LONG.format("use Python 3.5 there")),
    "version glued": (LONG.format("use python2 there"), LONG.format("use python3 there")),
    "name": (LONG.format("call get_name there"), LONG.format("call set_name there")),
    "case of a name": (LONG.format("write `Map` there"), LONG.format("write `map` there")),
    "pattern": (
        "Use the regex `^[a-z]+$` with the flag i to match it",
        "Use the regex `[^a-z]*` with the flag i to match it",
    ),
    "pointer": (LONG.format("pass `&value` to it"), LONG.format("pass `*value` to it")),
    "increment": (LONG.format("write i++ there"), LONG.format("write i-- there")),
    "percent": (LONG.format("set it to 50% there"), LONG.format("set it to 50 there")),
    "variable": (LONG.format("write $path there"), LONG.format("write path there")),
    "tag": (LONG.format("put it into <div> there"), LONG.format("put it into <span> there")),
    "call": (LONG.format("write close() there"), LONG.format("write open() there")),
    "formula": (LONG.format("take x^2 of it"), LONG.format("take x^3 of it")),
    "last word": (
        "To see the whole list of these you have to press the key that is called Home",
        "To see the whole list of these you have to press the key that is called End",
    ),
    "first word": (
        "Upload the picture to the server and then wait until the page says that it is done there",
        "Delete the picture on the server and then wait until the page says that it is done there",
    ),
    "japanese": (
        "設定ファイルの文字コードを変更してからサーバーを再起動してください",
        "設定ファイルの文字コードを変更してからサーバーを再起動しないでください",
    ),
    "inline, in another order": (LONG.format("copy `a` to `b`"), LONG.format("copy `b` to `a`")),
}
CODE: dict[str, tuple[Post, Post]] = {
    "loop": (
        Post("Try this", ("for (int i = 0; i < n; i++) { if (a[i] > b[i]) { sum += a[i] * b[i]; } }",)),
        Post("Try this", ("for (int i = 0; i > n; i--) { if (a[i] < b[i]) { sum -= a[i] * b[i]; } }",)),
    ),
    "a sign": (
        Post(LONG.format("use this"), (BLOCK.format(">"),)),
        Post(LONG.format("use this"), (BLOCK.format("<"),)),
    ),
    "a line more": (
        Post(LONG.format("use this"), (BLOCK.format(">"),)),
        Post(LONG.format("use this"), (BLOCK.format(">") + "    os.remove(sys.argv[1])\n",)),
    ),
    "a line that differs": (
        Post("Use this template", (BLOCK.format(">") * 3 + "run(first)",)),
        Post("Use this template", (BLOCK.format(">") * 3 + "run(last)",)),
    ),
    "and prose that differs": (
        Post(LONG.format("use this") + " Here is what I mean.", (BLOCK.format(">"),)),
        Post(LONG.format("use this") + " So do it like that.", (BLOCK.format("<"),)),
    ),
}

COPIES: dict[str, tuple[str, str]] = {
    "equal": (LONG, LONG),
    "case of prose": (LONG, LONG.replace("Open", "OPEN").replace("That", "that")),
    "punctuation": (LONG, LONG.replace(", and", " and").replace(". Open", "! Open")),
    "a greeting": (LONG, "Hi, " + LONG + " Hope this helps!"),
    "thanks": (LONG + " Thanks in advance.", LONG),
    "a typing error": (LONG.replace("settings", "setings"), LONG),
    "another word": (LONG.replace("editor", "program"), LONG),
    "words that come and go": (LONG.replace("the reason why", "why"), LONG),
    "a sentence more": (LONG, LONG + " I had the very same trouble with it last week and it took me hours."),
    "a sentence with a number more": (LONG, LONG + " It took me 3 hours on the 2nd of May to find this out."),
    "a sentence with code more": (LONG, LONG + " Somebody has told me that `-x` would show the whole list too."),
    "a sentence less": (LONG.replace("That is the reason why your change seems to be ignored. ", ""), LONG),
    "an edit that is named": (LONG, LONG + " EDIT: I made the grammar a little better than it had been before."),
    "a quotation mark": (LONG.replace("log", '"log"'), LONG),
    "typographic apostrophe": (LONG.format("don't touch it"), LONG.format("don\u2019t touch it")),
    "contraction": (LONG.format("you should not touch it"), LONG.format("you shouldn't touch it")),
    "a list": (LONG.replace("First", "- First").replace("then", "\n- then"), LONG.replace("then", "\nthen")),
    "dashes": (LONG.replace("wins over", "wins - over"), LONG),
    "a hyphen": (LONG.replace("home folder", "home-folder"), LONG),
    "a rule": (LONG, "=====================\n" + LONG),
    "a smile": (LONG, LONG + " :-)"),
    "an emoji": (LONG, LONG + " \U0001f600"),
    "line breaks": (LONG, LONG.replace(". ", ".\n\n")),
    "with its code": (LONG.format("write `a == b` there"), LONG.format("write `a == b` there") + " Good luck!"),
    "numbers of its own": (LONG.format("use Python 3.5 there"), LONG.format("use Python 3.5 there") + " Cheers"),
    "code without its marks": (LONG.format("write `a == B` there"), LONG.format("write a == B there")),
    "short": ("Restart the server after you changed it", "restart the server, after you changed it!"),
    "short with courtesy": (
        "You have to restart the server after each change of the file that it reads settings from at its start",
        "You have to restart the server after each change of the file that it reads settings from at its start. Thanks",
    ),
    "japanese": (
        "設定ファイルの文字コードを変更してください。",
        "設定ファイルの文字コードを、変更してください",
    ),
}
COPIED_CODE: dict[str, tuple[Post, Post]] = {
    "white space": (
        Post(LONG.format("use this"), (BLOCK.format(">"),)),
        Post(LONG.format("use this"), (BLOCK.format(">").replace("    ", "\t"),)),
    ),
    "prose that differs": (
        Post(LONG.format("use this"), (BLOCK.format(">"),)),
        Post(LONG.format("use this").replace("editor", "program"), (BLOCK.format(">"),)),
    ),
    "a block in two": (
        Post(LONG.format("use this"), ("a == b", "c == d")),
        Post(LONG.format("use this"), ("a == b\nc == d",)),
    ),
    "a part more": (
        Post(LONG.format("use this"), ("a == b",)),
        Post(LONG.format("use this") + " If all of that fails for you then have a look at this one:", ("a == b", "ls")),
    ),
}


def both(one: Post, other: Post) -> list[str | None]:
    return clusters.near(table([one, other]), Near())["survivor"].to_pylist()


def post(text: str) -> Post:
    """Prose and inline code as they follow one another."""
    return Post("", spans=tuple(parts(text)))


@pytest.mark.parametrize("name", OPPOSITE)
def test_opposite_texts_are_two(name: str) -> None:
    one, other = OPPOSITE[name]
    assert both(post(one), post(other)) == [None, None]
    # They are so for this reason alone: without what differs their words are as good as equal.
    assert both(post(one), post(one)) != [None, None]


@pytest.mark.parametrize("name", CODE)
def test_opposite_code_is_two(name: str) -> None:
    assert both(*CODE[name]) == [None, None]


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_one(name: str) -> None:
    one, other = COPIES[name]
    assert both(post(one), post(other)) != [None, None]


@pytest.mark.parametrize("name", COPIED_CODE)
def test_copies_of_code_are_one(name: str) -> None:
    assert both(*COPIED_CODE[name]) != [None, None]


def test_copies_of_each_of_two_opposites_are_found() -> None:
    """Their words are one set, so that none may hide behind the first of them."""
    texts = [LONG.format(f"add {option} to it") for option in ("-p", "-P", "-P", "-p", "-P")]
    found = clusters.near(table([post(text) for text in texts]), Near())
    assert found["survivor"].to_pylist() == [None, None, *(f"a.stackexchange.com:{n}" for n in (2, 1, 2))]
    assert found["jaccard"].to_pylist() == [None, None, 1.0, 1.0, 1.0]


def test_a_chain_does_not_lead_to_the_opposite() -> None:
    """The first and the last say the opposite, and the one between says neither."""
    told = LONG.format("of the two that are there change neither of both before you are told")
    texts = [LONG.format("add -p to it"), told, LONG.format("add -P to it"), LONG.format("add -P to it") + " Really."]
    documents = table([post(text) for text in texts])
    edges, _ = lsh.candidates(lsh.fingerprints(documents, 0, Near()))
    sets = lsh.shingle_table(documents, 0, Near(), "text", edges.reshape(-1))
    alike = edges[lsh.alike(edges, sets, Near()) & (lsh.verify(edges, sets) >= 0.8)]
    assert [0, 1] in alike.tolist() and [1, 2] in alike.tolist() and [0, 2] not in alike.tolist()
    found = clusters.near(documents, Near())
    first = "a.stackexchange.com:1"
    assert found["survivor"].to_pylist() == [None, first, None, "a.stackexchange.com:3"]


def test_short_is_what_a_word_within_parts() -> None:
    assert lsh.shortest(Near()) == pytest.approx(49)
    assert lsh.shortest(Near(threshold=0.5)) == pytest.approx(19)
    assert lsh.shortest(Near(threshold=1.0)) == float("inf")
