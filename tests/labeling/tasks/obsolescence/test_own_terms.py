"""Notes of answers, later answers that speak of earlier ones, dates of versions, and lexicons of other languages."""

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from socorpus.corpus import config, plugins
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.labeling import pipeline, schema
from socorpus.labeling.functions import Threads
from socorpus.labeling.tasks.obsolescence import functions, lexicons, releases, subjects
from socorpus.labeling.tasks.obsolescence.releases import Releases
from tests.labeling.blind_threads import TASK, called_obsolete, remarked
from tests.labeling.bucket import SITE, Row, answer, comment, day, event, every, found, labels, question, threads

NOTES = (
    ("<p>Use <code>old()</code>.</p><p>EDIT (2020): <code>old()</code> has been deprecated.</p>", True),
    ("<p><em>This answer is kept for historical reasons.</em></p><p>Use <code>old()</code>.</p>", True),
    ("<p>Outdated! See the other one.</p><p>Use <code>old()</code>.</p>", True),
    ("<p>UPDATE: this is no longer possible.</p><p>Use <code>old()</code>.</p>", True),
    ("<p>Note: <code>old()</code> was removed in 3.0.</p><p>Use <code>fresh()</code>.</p>", False),
    ("<p>Use <code>fresh()</code>, since <code>old()</code> is deprecated.</p>", False),
    ("<p>EDIT: if this is deprecated one day, use <code>fresh()</code>.</p>", False),
    ("<p>It is no wine anymore.</p><p>This is not the case anymore, people drink it from cups.</p>", False),
)


@pytest.mark.parametrize(("body", "noted"), NOTES)
def test_notes_of_an_answer(body: str, noted: bool) -> None:
    bucket = threads([question(), answer(2, body=body)])
    assert labels(TASK, bucket, 2).get("own_note") == ("obsolete" if noted else None)
    if noted:
        row = functions.examples(bucket, every(TASK, bucket)).to_pylist()[0]
        assert row["text"] == "Use old()." and row["form"] == "before_notice"


LATER = (
    ("Call <code>quux()</code>.", "The <code>quux()</code> of the other answer was removed in 2.6.", True),
    ("Call <code>quux()</code>.", "<code>quux()</code> is deprecated, call <code>fresh()</code>.", True),
    ("Call <code>quux()</code>.", "The accepted answer is outdated. Call <code>fresh()</code>.", True),
    ("Call <code>other()</code>.", "<code>quux()</code> is deprecated, call <code>fresh()</code>.", False),
    ("Call <code>fresh()</code>; quux is deprecated.", "<code>quux()</code> is deprecated, as was said.", False),
    ("Call <code>asked()</code> twice.", "<code>asked()</code> is deprecated.", False),
    ("Call <code>quux()</code>.", "Is <code>quux()</code> deprecated? I don't know.", False),
)


@pytest.mark.parametrize(("earlier", "later", "called"), LATER)
def test_later_answers_that_call_it_obsolete(earlier: str, later: str, called: bool) -> None:
    posts = [
        question(body="<p>What does <code>asked()</code> do?</p>"),
        answer(2, body=f"<p>{earlier}</p>"),
        answer(3, body=f"<p>{later}</p>", creation_date=day(900)),
    ]
    assert set(found(TASK, threads(posts))["later_answer_says_so"]) == ({2} if called else set())


def test_sites_about_sites_need_an_identifier_or_a_name() -> None:
    posts = [question(), answer(2, body="<p>Set <code>post_limit</code> to 5.</p>")]
    for text, says in (("This is outdated.", False), ("`post_limit` was removed.", True)):
        bucket = threads(posts, [comment(1, 2, text, 900)])
        assert ("comment_says_so" in labels(TASK, bucket, 2)) or not says
        meta = type(bucket)(**{**vars(bucket), "site": "made.meta.example.com"})
        votes = [vote for vote in functions.comment_says_so(meta) if vote.post_id == 2]
        assert bool(votes) == says


def test_threads_that_moved_to_a_site_about_the_site_are_like_it() -> None:
    posts = [question(), answer(2, body="<p>Set <code>post_limit</code> to 5.</p>")]
    moved = event(1, 1, 35, 5, comment="to https://meta.example.com/questions/5")
    for history, says in (([], True), ([moved], False)):
        bucket = threads(posts, [comment(1, 2, "This answer is outdated.", 900)], history)
        assert ("comment_says_so" in labels(TASK, bucket, 2)) == says


def test_a_site_without_code_says_why_it_has_no_labels() -> None:
    code = "<p>Call <code>set_limit()</code>.</p>"
    posts = [question(), answer(2, body=code), *(answer(n, body="<p>Stir it.</p>") for n in range(3, 22))]
    comments = [comment(1, 2, "`set_limit` was removed.", 900), comment(2, 2, "Thanks, that helped.", 1200)]

    def bucket(posts: list[Row]) -> Threads:
        some = threads(posts, comments)
        return replace(some, facts=functions.merge([functions.collect(some)]))

    assert every(TASK, bucket(posts)) == []
    why = functions.abstains(bucket(posts).facts)
    assert set(why[SITE]) == {"current", "obsolete"} and "a tenth of the answers have code" in why[SITE]["obsolete"]
    # Two of twenty, or too few answers to say: it may be about software.
    for some in ([*posts[:-1], answer(30, body=code)], posts[:-1]):
        assert functions.abstains(bucket(some).facts) == {} and labels(TASK, bucket(some), 2)


def test_the_subject_of_a_cue() -> None:
    terms = subjects.of_text(["fig.add_legend(x)"], "With Foo Bar Baz it is done.", "A title", ["pandas-0.2"])
    assert {"fig.add_legend", "add_legend", "foo", "fbb"} - {"fbb"} <= terms.code | terms.names

    def own(clause: str) -> set[str]:
        return set(subjects.subject(clause, clause, [], [], terms).clause)

    assert own("add_legend is") == {"add_legend"} and own("The time gap has") == set()
    assert own("Foo has been") == {"foo"} and own("I don't participate") == set()


def test_dates_of_versions() -> None:
    day_of = {"1.1": 50, "1.2": 100, "1.3": 150, "1.4": 300, "2.0": 200, "2.1": 400}
    mixed = {"1.1": 300, "1.2": 200, "1.3": 250, "1.4": 100}
    dates = Releases({"numpy": day_of, "mixed": mixed}, [("Django", "4.0", 500)])
    # Versions whose dates have nothing to do with their numbers are not believed.
    assert dates.known_by("mixed", (1, 1), 1000) is None
    # A newer one was spoken of at 200, so 1.4 was there then.
    assert [dates.known_by("numpy", (1, 4), at) for at in (150, 250)] == [False, True]
    assert dates.known_by("numpy", (3, 0), 10**6) is False and dates.known_by("scipy", (1,), 1) is None
    assert [dates.known_by("django", (4, 0), at) for at in (499, 500)] == [False, True]


def test_versions_are_compared_as_versions() -> None:
    own = [("java", version, moment) for version, moment in (("9", 300), ("10", 400), ("8.0", 200), ("v11.0-ea", 450))]
    dates = Releases({}, [*own, ("java", "11", 500), ("java", "11.0.1-LTS", 600), ("go", "1.0", 7)])
    known = {
        number: [dates.known_by("java", number, moment) for moment in (199, 200, 299, 300, 399, 400, 499, 500)]
        for number in ((8,), (8, 0), (8, 0, 0), (9,), (10, 0), (11,))
    }
    first = {number: values.index(True) for number, values in known.items()}
    assert first == {(8,): 1, (8, 0): 1, (8, 0, 0): 1, (9,): 3, (10, 0): 5, (11,): 7}  # not with the early access of 11
    assert dates.known_by("java", (11, 0, 1), 599) is False and dates.known_by("java", (11, 0, 1), 600)
    assert dates.known_by("go", (1,), 7) and dates.known_by("go", (0,), 7)
    order = ["0.9", "1.0-alpha1", "1.0", "1.2.10", "2.0rc1", "2", "10.0.0-SNAPSHOT", "10", "10.1b"]
    assert [releases.place(version) for version in order] == sorted(releases.place(version) for version in order)
    same = [("8", "8.0"), ("v8", "8.0.0"), ("8-LTS", "8"), ("0", "0.0")]
    assert all(releases.place(one) == releases.place(other) for one, other in same)


def test_a_name_that_no_post_has_and_two_dates_of_a_version_are_pointed_out() -> None:
    own = tuple(config.Release(*row) for row in (("Django", "2.0", "2017-12-02"), ("Spring Boot", "3", "2022-11-24")))
    facts = {
        "sites": {"a": {"spoken": {"django": {"1.8": 1}}}, "b": {"spoken": {"spring-boot": {}}}},
        "settings": json.loads(json.dumps(functions.settings(config.Labels(releases=own)))),
    }
    unheard = schema.TASKS[TASK].unheard
    assert unheard is not None
    (sentence,) = unheard(facts)
    assert "no post speaks of a version of 'Spring Boot'" in sentence and "did you mean spring-boot?" in sentence
    pipeline.check(config.Config(labels=config.Labels(releases=own)))
    twice = config.Labels(releases=(*own, config.Release("django", "2", "2018-01-01")))
    with pytest.raises(InputError, match=r"Django has one version with two dates, 2\.0 on 2017-12-02 and 2 on 2018"):
        pipeline.check(config.Config(labels=twice))


def test_a_version_that_was_there_before_an_answer_is_no_news_to_it() -> None:
    def bucket(own: list[list[object]]) -> dict[str, str]:
        posts = [
            question(title="How?", body="<p>In Django 1.8?</p>"),
            answer(2, body="<p>So.</p>"),
            answer(3, body="<p>In Django 2.0 so.</p>", creation_date=day(400)),
        ]
        some = threads(posts, tags=["django"])
        facts = functions.merge([functions.collect(some)])
        assert facts["sites"][SITE]["spoken"]["django"].keys() == {"1.8", "2.0"}
        facts["settings"] = {"releases": own}
        return labels(TASK, type(some)(**{**vars(some), "facts": facts}), 2)

    early = int(datetime.fromisoformat("2014-01-01T00:00:00+00:00").timestamp() * 1000)
    assert bucket([]) == {"later_answer_names_newer_version": "obsolete"}
    assert bucket([["django", "2.0", early]]) == {}


def test_the_users_table_of_versions(tmp_path: Path) -> None:
    toml = tmp_path / "socorpus.toml"
    toml.write_text('[[labels.releases]]\nname = "django"\nversion = "2.0"\ndate = "2017-12-02"\n', "utf-8")
    told = functions.settings(config.load(toml).labels)
    assert told["releases"] == [("django", "2.0", 1512172800000)] and "en" in told["lexicons"]
    for key, value, why in (("version", "two", "numbers with points"), ("date", "2.12.2017", "must be a day")):
        row = {"name": "django", "version": "2.0", "date": "2017-12-02"} | {key: value}
        lines = "".join(f'{name} = "{text}"\n' for name, text in row.items())
        toml.write_text(f"[[labels.releases]]\n{lines}", "utf-8")
        with pytest.raises(InputError, match=why):
            config.load(toml)


FRENCH = "<p>Il faut appeler la fonction <code>vieille()</code> avant toutes les autres, puis recommencer.</p>"


def test_other_languages_need_a_lexicon() -> None:
    example = Path(__file__).parents[4] / "examples/lexicon.py"
    english = remarked("`vieille()` is deprecated since 2.0.", body=FRENCH, after=500)
    said = (("`vieille()` est obsolète depuis la version 2.", True), ("`vieille()` n'est pas obsolète.", False))
    buckets = [(remarked(text, body=FRENCH, after=500), says) for text, says in said]
    assert not called_obsolete(english) and not any(called_obsolete(bucket) for bucket, _ in buckets)
    with plugins.only(plugins.find([str(example)])):
        assert [called_obsolete(bucket) for bucket, _ in buckets] == [says for _, says in said]
        assert "fr" in functions.settings(config.Labels())["lexicons"]
    assert "fr" not in lexicons.LEXICONS


def test_a_lexicon_is_checked() -> None:
    for phrases, why in (({"cue": ["("]}, "unterminated"), ({"cue": ["x"], "cues": ["y"]}, "has no 'cues'")):
        with pytest.raises(InputError, match=why):
            lexicons.lexicon("xx", **phrases)  # type: ignore[arg-type]


def test_a_release_needs_a_name_and_one_that_is_still_to_come_is_pointed_out() -> None:
    for name in ("", "  ", "—"):
        with pytest.raises(ValueError, match="name must be that of some software"):
            config.Release(name, "2.0", "2020-01-01")
    labels = config.Labels(releases=(config.Release("nginx", "99.1", "2999-01-01"),))
    with pytest.warns(SocorpusWarning, match=r"nginx 99\.1 is dated 2999-01-01, a day that is still to come"):
        pipeline.check(config.Config(labels=labels))
