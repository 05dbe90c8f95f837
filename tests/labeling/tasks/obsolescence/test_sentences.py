"""What sentences say of an answer: written by hand, of many forms."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socorpus.labeling.tasks.obsolescence import english, lexicons
from socorpus.labeling.tasks.obsolescence.sentences import (
    CURRENT,
    OBSOLETE,
    asks,
    has_cue,
    sentences,
    statements,
    unquoted,
)

OBSOLETE_SAYINGS = (
    "This is deprecated.",
    "This answer is now outdated.",
    "Beware: as of Rails 5 this has been deprecated in favour of `before_action`.",
    "Note that `mysql_query` is deprecated and was removed in PHP 7.0.",
    "This no longer works.",
    "Doesn't work anymore, they changed the API last year.",
    "The method was removed in version 3.2 of the library.",
    "FYI, this solution is obsolete since Java 8 has streams for it.",
    "Unfortunately this is out of date.",
    "This is not up to date, see the answer of Tom.",
    "`componentWillMount` is considered legacy and has been deprecated since 16.3",
    "Google has discontinued this service.",
    "@Bob your answer is outdated, the flag is called `--all` now.",
    "That function isn't available any more in Python 3.",
    "Sadly, it stopped working after the update in March.",
    "The option has been renamed in 2.0.",
    "This isn't just deprecated, it's gone.",
    "Not only is this deprecated, it is also insecure.",
    "I don't doubt that this was right once, but it is obsolete now.",
    "This API is no longer supported by Twitter.",
    "This doesn't work in Swift 4.",
    "Does not compile with the latest version of Kotlin.",
    'It is marked as "deprecated" in the documentation.',
    "According to the docs, this method is deprecated.",
    "The docs say it's deprecated since 1.12.",
    "If you are on Angular 6 or later, this is deprecated.",
    "The accepted answer is outdated.",
    "This syntax has been superseded by f-strings.",
    "Old answer, no longer valid.",
    "OUTDATED! Use fetch instead.",
    "For anyone reading this in 2020: this approach no longer applies.",
    "`imp` is deprecated; use `importlib`.",
    "This answer needs to be updated for iOS 13.",
    "It seems this is no longer the case.",
    "I'm afraid this no longer works with Chrome 70.",
    "The `-j` switch was dropped in 1.5, so this fails.",
    "As commented below, these are all deprecated.",
    "This code throws an exception since the class was removed from .NET Core.  It is obsolete.",
    "Just a heads up, this API has been shut down and is deprecated.",
    "None of this is supported any longer, and the whole answer is obsolete.",
)
CURRENT_SAYINGS = (
    "This is not deprecated.",
    "It isn't obsolete at all.",
    "Nothing in this answer is outdated.",
    "This still works in 2021.",
    "Still valid as of Django 3.1.",
    "`os.popen` was never deprecated.",
    "This is far from obsolete, we use it every day.",
    "No, it isn't. I just tried it.",
    "@Anna no it isn't, I just tried",
    "@mike It's not deprecated in JavaFX, only in Swing.",
    "I don't think this is outdated.",
    "It works fine in version 4.2 too.",
    "`var` is no longer deprecated.",
    "There is no sign that this is deprecated.",
    "Neither of them is deprecated.",
    "@Joe that's not true, the method is there.",
    "That is simply wrong.",
    "This works perfectly with the latest release.",
)
SILENT = (
    # Asked.
    "Is this deprecated?",
    "Has this become obsolete in the meantime?",
    "Why is this outdated?",
    "Do you know whether it no longer works on Windows?",
    "Isn't this deprecated in PHP 7?",
    "Does this still work?",
    "This is deprecated, right?",
    "Anyone know if that was removed in 3.0",
    "I wonder if this is out of date.",
    "Not sure whether this is still valid.",
    # Supposed.
    "If this is deprecated, please tell me.",
    "This might be outdated.",
    "It may become obsolete one day.",
    "Would it be bad if it was removed in version 9?",
    "Let me know when this no longer works.",
    "I'll delete my answer once it becomes obsolete.",
    "Unless it is deprecated I see no reason to change it.",
    # Quoted or told.
    '"This is deprecated" is what my IDE shows for another class.',
    "> this no longer works\n\nCould you say more?",
    'You wrote "no longer supported", where is that from?',
    "Somebody told me that this is obsolete.",
    "I have read that it's deprecated, but found no proof.",
    "You said it no longer works.",
    "He claims it is out of date.",
    "What do you mean by 'no longer works'?",
    # Of something else.
    "I am using an outdated version of Chrome.",
    "Your browser is outdated.",
    "The link is outdated.",
    "The first link no longer works.",
    "The question is obsolete.",
    "My driver was out of date, that was the problem.",
    "The other answer is deprecated.",
    "The documentation is out of date here.",
    "I like this because it avoids the deprecated functions.",
    "Much better than the deprecated way!",
    "The comment was removed in the last cleanup.",
    "You must have an obsolete version installed.",
    # Nothing of the kind.
    "Thanks, this helped a lot.",
    "How do I use it with a list of strings?",
    "What does `-x` do here?",
    "You should add an example.",
    "This doesn't work.",
    "It works, thank you!",
    "I removed the semicolon and it compiled.",
    "There is a date picker in the docs.",
)


@pytest.mark.parametrize("text", OBSOLETE_SAYINGS)
def test_says_that_it_is_obsolete(text: str) -> None:
    assert OBSOLETE in [one.label for one in statements(text)]


@pytest.mark.parametrize("text", CURRENT_SAYINGS)
def test_says_that_it_is_current(text: str) -> None:
    assert [one.label for one in statements(text)][:1] == [CURRENT]


@pytest.mark.parametrize("text", SILENT)
def test_says_neither(text: str) -> None:
    assert not statements(text)


def test_there_are_many_and_each_once() -> None:
    every = (*OBSOLETE_SAYINGS, *CURRENT_SAYINGS, *SILENT)
    assert len(set(every)) == len(every) >= 60


def test_quotes_code_and_addresses_leave_a_word() -> None:
    text = unquoted('> quoted\nSee `a.b()` and [the docs](https://x.org/deprecated), "no longer works", *fine*.')
    assert "quoted" not in text and "no longer" not in text and "x.org" not in text
    assert " ".join(text.split()) == "See CODE and the docs, QUOTE , fine."


def test_a_version_ends_no_sentence() -> None:
    assert sentences("Gone in v. 2.1.3 of it. Use, e.g. the other.\nOr not?") == [
        "Gone in v 2.1.3 of it.",
        "Use, e.g the other.",
        "Or not?",
    ]


def test_each_sentence_speaks_for_itself() -> None:
    found = statements("Thanks. Is this deprecated? It no longer works. But that one call still works in 3.2.")
    assert [(one.label, one.cue) for one in found] == [(OBSOLETE, "no longer works"), (CURRENT, "works in 3.2")]


def test_the_accepted_answer_is_this_one_only_if_it_is() -> None:
    text = "The accepted answer is outdated."
    assert [one.label for one in statements(text, accepted=True)] == [OBSOLETE]
    assert not statements(text, accepted=False)


def test_a_question_has_a_cue_and_says_nothing() -> None:
    assert asks("Is this deprecated?") and has_cue("Is this deprecated?")
    assert not asks("This is deprecated.") and not asks("Does it scale?")
    assert statements("No, it isn't.")[0].reply and not statements("It is not deprecated.")[0].reply


ANYWHERE = re.compile(english.CUE.pattern.removeprefix(english.CUE_BEGINS), re.IGNORECASE)


@given(st.from_regex(ANYWHERE), st.sampled_from(["", "we", "x2", "it", "(", "didn", "v1."]))
def test_no_cue_begins_where_none_is_looked_for(text: str, before: str) -> None:
    assert english.CUE.pattern != ANYWHERE.pattern
    some = before + text
    assert [match.span() for match in english.CUE.finditer(some)] == [match.span() for match in ANYWHERE.finditer(some)]


@given(st.one_of(st.from_regex(english.CUE), st.from_regex(english.STILL)))
def test_the_quick_look_misses_no_cue(text: str) -> None:
    text = re.sub(r"[^\x20-\x7e\n]", " ", text)
    lines = [line for line in text.split("\n") if english.CUE.search(line) or english.STILL.search(line)]
    for line in lines:
        assert lexicons.may_have_cue(line, english.ENGLISH) and lexicons.line_may_have_cue(line, english.ENGLISH)
    assert not lines or lexicons.may_have_cue(text, english.ENGLISH)
