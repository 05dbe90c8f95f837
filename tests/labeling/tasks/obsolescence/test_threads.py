"""What comments say of answers that use something: the subject of a cue must be the answer's own."""

import pytest

from tests.labeling.blind_threads import TASK
from tests.labeling.bucket import answer, comment, labels, question, threads

OBSOLETE = (
    ("Call <code>escape_user()</code> on it.", "`escape_user` was dropped in Foo 3, you want `quote_user`."),
    ("Call <code>escape_user()</code> on it.", "escape_user is deprecated by now"),
    ("Run <code>gulag sync --fast</code> first.", "The `--fast` switch went away with 2.4, it is the default."),
    ("Run <code>gulag sync --fast</code> first.", "This no longer works, the tool was rewritten last year."),
    ("Use <code>new Widget(parent)</code>.", "Outdated. Widgets are made by a factory these days."),
    ("Use <code>new Widget(parent)</code>.", "As of Swing 9 the `Widget` class has been removed."),
    ("Set <code>legacy.mode=on</code> in the file.", "Unfortunately `legacy.mode` isn't supported any more."),
    ("Use the Fabric Portal for that, under Billing.", "Fabric Portal was shut down in May."),
    ("Put <code>&lt;blink&gt;</code> around it.", "blink has been removed from all browsers, sadly"),
    ("Install <code>py-oldlib</code> by pip.", "py-oldlib is unmaintained since 2016, newlib is its successor"),
    ("Install <code>py-oldlib</code> by pip.", "Note that py-oldlib has been abandoned."),
    ("Open Tools, then Options, and untick it.", "These steps are out of date, there is no Options dialog in 58."),
    ("It can't be done without <code>hack.js</code>.", "This hasn't been true since v3, there is a built-in for it."),
    ("Query <code>api.weather.example/v1/now</code>.", "v1 has been turned off, everything is at /v3 now."),
    ("Write <code>x = yield from f()</code>.", "Nowadays you should use `await` instead."),
    ("Call <code>escape_user()</code> on it.", ("Is escape_user deprecated?", "Yes, since 3.1.")),
    ("Call <code>escape_user()</code> on it.", ("Does this still work?", "No, it stopped working in 4.0.")),
    ("Call <code>escape_user()</code>.", ("escape_user was removed in 3.0", "`foo_user` was not removed at all.")),
    ("Call <code>escape_user()</code>.", "doesnt work anymore since the last update :("),
    ("Call <code>escape_user()</code>.", "According to the docs, escape_user is deprecated."),
)
SILENT = (
    # No subject of the answer's own.
    ("Ask on the forum, people are nice there.", "I don't participate much anymore."),
    ("Both grew at the same rate.", "The time gap has closed."),
    ("Use a funnel.", "I couldn't find one anymore, they closed the shop."),
    ("Use a funnel.", "Nobody cares anymore, let's move on."),
    ("Call <code>escape_user()</code>.", "My old job was axed in 2014, so I can't test it."),
    ("Call <code>escape_user()</code>.", "The company that made it is gone since 2012."),
    # The asker's own, a link, another answer.
    ("Use a named function.", "You are on Foo 5.2? That was EOL'd years ago, outdated, tell your hoster."),
    ("Use a named function.", "Your server runs Apache 1.3, which is no longer supported."),
    ("See <a href='http://x.example/y'>this</a>, or call <code>f_user()</code>.", "The link is dead."),
    ("See <a href='http://x.example/y'>this</a>, or call <code>f_user()</code>.", "That blog has been removed."),
    ("Call <code>escape_user()</code>.", "+1, all other answers are outdated"),
    ("Call <code>escape_user()</code>.", "Unlike the deprecated `quote_user`, this one is safe."),
    ("Call <code>escape_user()</code>.", "This should be the accepted answer, the accepted one is obsolete."),
    # What the answer replaces.
    ("Write <code>Box.of(x)</code>.", "+1, `new Box()` is deprecated since 9, hence the warning."),
    ("<code>get_it()</code> was removed in 3, use <code>fetch_it()</code>.", "Yes, get_it is gone in 3."),
    # It never worked there.
    ("Call <code>escape_user()</code>.", "Doesn't work in IE 8."),
    ("Call <code>escape_user()</code>.", "This doesn't compile with gcc 4.8, a semicolon is missing."),
    ("Call <code>escape_user()</code> of Foo 3.", "escape_user is no longer slow in Foo 3."),
    # Open, or told by others.
    ("Call <code>escape_user()</code>.", "They plan to deprecate escape_user, so it might be removed in 5.0."),
    ("Call <code>escape_user()</code>.", "My boss says that escape_user is deprecated."),
    ("Call <code>escape_user()</code>.", "Is escape_user deprecated?"),
    ("Call <code>escape_user()</code>.", "I fought with outdated tutorials for days, thanks!"),
)
CURRENT = (
    ("Call <code>escape_user()</code>.", ("escape_user was removed", "@x No, it was not removed, it moved.")),
    ("Call <code>escape_user()</code>.", ("escape_user is deprecated", "Sorry, ignore my comment, I had a typo.")),
    ("Call <code>escape_user()</code>.", ("This is outdated.", "No it isn't, works fine here on 5.2")),
    ("Call <code>escape_user()</code>.", ("Does this still work?", "Yes, it does.")),
    ("Call <code>escape_user()</code>.", "escape_user is not deprecated in 4.2."),
)


def said(body: str, remarks: str | tuple[str, ...], after: float = 100, site: str | None = None) -> dict[str, str]:
    remarks = (remarks,) if isinstance(remarks, str) else remarks
    comments = [comment(n, 2, text, after + n, 30 + n) for n, text in enumerate(remarks, start=1)]
    asked = question(title="How is it done with Box, and why the warning about `new Box()`?", tags=["foo", "box"])
    return labels(TASK, threads([asked, answer(2, body=f"<p>{body}</p>")], comments), 2)


@pytest.mark.parametrize(("body", "remarks"), OBSOLETE)
def test_what_the_answer_uses_is_out_of_date(body: str, remarks: str | tuple[str, ...]) -> None:
    assert said(body, remarks) == {"comment_says_so": "obsolete"}


@pytest.mark.parametrize(("body", "remarks"), SILENT)
def test_nothing_of_the_answer_is_out_of_date(body: str, remarks: str | tuple[str, ...]) -> None:
    assert said(body, remarks) == {}


@pytest.mark.parametrize(("body", "remarks"), CURRENT)
def test_a_denial_says_that_it_is_current(body: str, remarks: str | tuple[str, ...]) -> None:
    assert said(body, remarks) == {"comment_denies_it": "current"}
