"""The plants of a sample: twins, secrets, obsolete answers, odd texts and faulty rows, each listed as it is made.

A plant is a function of the site and a post; it changes the post, lists itself and answers True, or answers False where
it does not fit. The plants of a site take turns, so that a site of some hundred threads has each of them.
"""

import base64
import random
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from socorpus.corpus.sample.forms import DAY, Record
from socorpus.corpus.sample.site import Comment, Event, SamplePost, Site
from socorpus.corpus.sample.text import (
    ADVICE,
    ANSWERS,
    ASKS,
    CODE,
    CODE_END,
    COMMENTS,
    DETAILS,
    FOREIGN,
    OPENINGS,
    Block,
    Speaker,
    markdown_inline,
    plain,
)
from socorpus.corpus.words import words

UPPER, LOWER, DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789"
ALNUM = UPPER + LOWER + DIGITS
ABSENT = 700_000_000
"""Posts from this number on are not there."""
NOTICE_OBSOLETE, NOTICE_DISPUTED = "28", "20"
"""Kinds of notices by the publisher's number: obsolete, content disputed."""

OBSOLETE = (
    "This is deprecated since {lib} {ver}, use {c} instead.",
    "This answer is outdated: in {lib} {ver} {cl}.",
    "It no longer works with {lib} {ver}, because {cl}.",
    "Obsolete. Since {lib} {ver} one can {vp}.",
    "This is out of date, {c} was removed in {lib} {ver}.",
)
ODD = (
    *("non_bmp", "combining", "tabs", "long", "empty", "owner_community", "owner_bot", "missing_attributes"),
    "deleted_owner",
)
NOT_OBSOLETE = {
    "negation": (
        "This is not deprecated, it still works in {lib} {ver} when {cl}.",
        "{c} isn't obsolete at all, I {vp} with it every day.",
        "Nothing here is outdated; I tested it with {lib} {ver} and {cl}.",
    ),
    "question": (
        "Is this deprecated in {lib} {ver}?",
        "Has {c} become obsolete, or can I still {vp}?",
        "Is it true that this no longer works if {cl}?",
    ),
    "quotation": (
        '"This answer is outdated" is what I read elsewhere, but {cl} and it works for me.',
        "> this is deprecated\n\nWho says so? In {lib} {ver} {cl}.",
        'You wrote "no longer works", yet {cl} here in {lib} {ver}.',
    ),
}


def shingles(text: str, size: int = 5) -> set[tuple[str, ...]]:
    """Runs of `size` words of the text in lower case."""
    every = words.words(text.lower())
    return {tuple(every[i : i + size]) for i in range(max(1, len(every) - size + 1))}


def jaccard(left: str, right: str, size: int = 5) -> float:
    """Share of common shingles among all: 1 for equal texts."""
    a, b = shingles(left, size), shingles(right, size)
    return len(a & b) / len(a | b)


@dataclass(frozen=True)
class Base:
    """A post that others are made from."""

    site: str
    post_id: int
    title: str
    tags: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def key(self) -> str:
        """`SITE:POST_ID`."""
        return f"{self.site}:{self.post_id}"


@dataclass(frozen=True)
class Example:
    """An example of the benchmark file."""

    title: str
    body: str


def examples(seed: int, count: int = 30) -> tuple[Example, ...]:
    """Made-up benchmark examples, plain prose of 60 to 150 words."""
    speaker = Speaker(random.Random(f"{seed}:benchmark"))
    drawn = []
    for _ in range(count):
        topic = speaker.topic()[1]
        text = [speaker.sentence(kind, topic) for kind in (OPENINGS, DETAILS, DETAILS, DETAILS, ASKS)]
        drawn.append(Example(speaker.title(topic), re.sub(f"[{CODE}{CODE_END}]", "", " ".join(text))))
    return tuple(drawn)


class Planter:
    """Plants in the posts of all sites of a sample, in turn; what one site has can be copied to the next."""

    def __init__(self, benchmark: Sequence[Example]) -> None:
        self.benchmark = benchmark
        self.shared: list[Base] = []
        self.kept: dict[str, Base] = {}
        self.last: dict[bool, Base] = {}
        self.seen: dict[tuple[str, bool], int] = {}
        self.turn: dict[str, int] = {}

    def __call__(self, site: Site, post: SamplePost) -> None:
        key = (site.form.site, post.question)
        count = self.seen[key] = self.seen.get(key, 0) + 1
        if count % site.form.plant_every:
            if len(post.blocks) > 2:
                self.last[post.question] = self._base(site, post)
            return
        deck = QUESTIONS if post.question else ANSWER_DECK
        for _ in range(len(deck)):
            if deck[self._next(f"{key}", len(deck))](self, site, post):
                return

    def _next(self, name: str, size: int) -> int:
        turn = self.turn[name] = self.turn.get(name, -1) + 1
        return turn % size

    @staticmethod
    def _base(site: Site, post: SamplePost) -> Base:
        return Base(site.form.site, post.id, post.title, post.tags, tuple(post.blocks))

    # Twins.

    def exact(self, site: Site, post: SamplePost) -> bool:
        """The text of an earlier post of this site, and its title."""
        base = self.last.get(post.question)
        if base is None or base.site != site.form.site:
            return False
        post.blocks = list(base.blocks)
        if post.question:
            post.title, post.tags = base.title, base.tags
        site.record("exact_duplicate", post.id, of=base.key)
        return True

    def base(self, site: Site, post: SamplePost) -> bool:
        """A long answer in prose, which twins are made from."""
        post.blocks = [site.prose(ANSWERS, post.topic, 5) for _ in range(3)]
        self.kept["near"] = self._base(site, post)
        self.shared.append(self.kept["near"])
        del self.shared[:-20]
        site.record("near_base", post.id)
        return True

    def above(self, site: Site, post: SamplePost) -> bool:
        """An edited copy that is a near duplicate: Jaccard above 0.8."""
        return self._near(site, post, (0.93, 0.88, 0.84)[self._next("above", 3)], 0.805, 1.0)

    def below(self, site: Site, post: SamplePost) -> bool:
        """An edited copy that is none: Jaccard below 0.8, but not by much."""
        return self._near(site, post, (0.79, 0.76, 0.72)[self._next("below", 3)], 0.6, 0.795)

    def _near(self, site: Site, post: SamplePost, target: float, low: float, high: float) -> bool:
        base = self.kept.get("near")
        if base is None or base.site != site.form.site:
            return False
        original = plain(base.blocks)
        for changes in range(1, 60):
            blocks = _reworded(site, base.blocks, changes)
            similar = jaccard(original, plain(blocks))
            if similar <= target:
                break
        if not low < similar < high:
            return False
        post.blocks = blocks
        site.record("near_duplicate", post.id, of=base.key, jaccard=round(similar, 6), above=similar > 0.8)
        return True

    def across(self, site: Site, post: SamplePost) -> bool:
        """A copy of an answer of another site."""
        bases = [base for base in self.shared if base.site != site.form.site]
        if not bases:
            return False
        base = bases[self._next("across", len(bases))]
        post.blocks = list(base.blocks)
        site.record("cross_site_duplicate", post.id, of=base.key)
        return True

    def code_base(self, site: Site, post: SamplePost) -> bool:
        """An answer with much code, which others will copy."""
        code = site.speaker.code(post.language, post.topic, 14)
        post.blocks = [site.prose(ANSWERS, post.topic, 3), Block("code", code), site.prose(ADVICE, post.topic, 2)]
        self.kept["code"] = self._base(site, post)
        site.record("code_base", post.id)
        return True

    def code_copy(self, site: Site, post: SamplePost) -> bool:
        """New prose about copied code."""
        base = self.kept.get("code")
        if base is None or base.site != site.form.site:
            return False
        post.blocks = [site.prose(ANSWERS, post.topic, 3), base.blocks[1], site.prose(DETAILS, post.topic, 3)]
        site.record("copied_code", post.id, of=base.key, code=base.blocks[1].text)
        return True

    def contaminate(self, site: Site, post: SamplePost) -> bool:
        """A benchmark example, whole or its first half."""
        row = self._next("example", len(self.benchmark))
        example, whole = self.benchmark[row], row % 2 == 0
        words = example.body.split(" ")
        text = example.body if whole else " ".join(words[: len(words) // 2])
        post.title = example.title if whole else post.title
        post.blocks = [Block("p", text)] if whole else [Block("p", text), *post.blocks]
        site.record("contamination", post.id, example=row, share=1.0 if whole else 0.5)
        return True

    # Secrets, and look-alikes.

    def secret(self, site: Site, post: SamplePost) -> bool:
        """A secret or personal datum in the body."""
        kind, form, value, text, code = _SECRETS[self._next("secret" + site.form.site, len(_SECRETS))](site)
        where = 1 + int(site.random() * (len(post.blocks) - 1))
        post.blocks.insert(where, Block("code" if code else "p", text))
        site.record("secret", post.id, kind=kind, form=form, value=value, field="body", code=code)
        return True

    def secret_comment(self, site: Site, post: SamplePost) -> bool:
        """A secret or personal datum in a comment."""
        kind, form, value, text, code = _SECRETS[self._next("comment" + site.form.site, len(_SECRETS) - 1)](site)
        record: Record = {"plant": "secret", "kind": kind, "form": form, "value": value, "code": code}
        post.comments.append(Comment(f"`{text}`" if code else text, site.someone(), [record]))
        return True

    def harmless(self, site: Site, post: SamplePost) -> bool:
        """Look-alikes, which must stay."""
        turn = self._next("harmless" + site.form.site, len(HARMLESS))
        kind, text, code = HARMLESS[turn]
        value = text.replace("HEX40", f"{site.bits(160):040x}").replace("UUID", _uuid(site))
        post.blocks.insert(1, Block("code" if code else "p", value))
        site.record("harmless", post.id, looks_like=kind, value=value, field="body", code=code)
        return True

    # Obsolete answers.

    def obsolete(self, site: Site, post: SamplePost) -> bool:
        """A comment that calls the answer obsolete."""
        text = OBSOLETE[self._next("obsolete" + site.form.site, len(OBSOLETE))]
        return self._remark(site, post, text, "comment", True)

    def not_obsolete(self, site: Site, post: SamplePost) -> bool:
        """A comment with the same words but another meaning."""
        sign = tuple(NOT_OBSOLETE)[self._next("sign" + site.form.site, len(NOT_OBSOLETE))]
        texts = NOT_OBSOLETE[sign]
        return self._remark(site, post, texts[self._next(sign + site.form.site, len(texts))], sign, False)

    @staticmethod
    def _remark(site: Site, post: SamplePost, pattern: str, sign: str, counts: bool) -> bool:
        text = markdown_inline(site.speaker.fill(pattern, post.topic))
        record: Record = {"plant": "obsolete", "sign": sign, "counts": counts, "text": text}
        when = site.later(post.created + 300 * DAY, 900) if post.created + 400 * DAY < site.last else None
        post.comments.append(Comment(text, site.another(post.owner), [record], when))
        return True

    def version_edit(self, site: Site, post: SamplePost) -> bool:
        """The author brings the answer up to date."""
        lib, version = post.topic["lib"][0], post.topic["ver"][0]
        post.first_blocks = list(post.blocks)
        text = f"Update for {lib} {version}: {site.speaker.sentence(ANSWERS, post.topic)}"
        post.blocks = [*post.blocks, Block("p", text)]
        when = site.later(post.created + 100 * DAY, 500)
        site.edit(post, 5, post.owner, when, f"updated for {lib} {version}")
        site.record("obsolete", post.id, sign="version_edit", counts=True, version=version)
        post.settled = True
        return True

    def newer_answer(self, site: Site, post: SamplePost) -> bool:
        """A later answer that names a newer version than the thread's earlier one."""
        if not post.elder:
            return False
        lib, version = post.topic["lib"][0], f"{int(post.topic['ver'][0].split('.')[0]) + 1}.0"
        text = f"Since {lib} {version} {site.speaker.pick(post.topic['cl'])}, so you can {{}}."
        post.blocks.insert(0, Block("p", text.format(site.speaker.pick(post.topic["vp"]))))
        site.record("obsolete", post.elder, sign="newer_answer", counts=True, version=version, answer=post.id)
        return True

    def notice(self, site: Site, post: SamplePost) -> bool:
        """A notice is put on the post: one that calls it obsolete and stands, one that is taken away, one that says
        something else."""
        added = site.later(post.created, 300)
        which = self._next("notice" + site.form.site, 4)
        number, removed = NOTICE_DISPUTED if which == 2 else NOTICE_OBSOLETE, which % 2 == 1
        post.events.append(Event(added, 33, -1, number))
        if removed:
            post.events.append(Event(added + DAY, 34, -1, number))
        site.record("notice", post.id, notice=number, removed=removed, counts=which == 0)
        return True

    # Other events of posts.

    def story(self, site: Site, post: SamplePost) -> bool:
        """Locks, protection, community ownership, migration, bumps, bounties and a suggested edit, in turn."""
        kinds: tuple[int, ...] = ((14, 15), (16,), (50,), (24,), (19, 20), (36,), (52, 53))[
            self._next("story" + site.form.site, 7 if post.question else 4)
        ]
        when = site.later(post.created, 50)
        comments = {24: f"Proposed by {site.someone()} approved by {site.someone()} edit id of 12"}
        comments[36] = "from https://other.example.com/questions/12/a-title"
        voters = '{"Voters":[{"Id":-1,"DisplayName":"Community"}]}'
        for step, kind in enumerate(kinds):
            text = voters if kind in (14, 15, 19, 20) else None
            post.events.append(Event(when + step * DAY, kind, -1 if kind != 24 else None, comments.get(kind), text))
        if kinds == (16,):
            post.community = when
        if post.question and kinds == (50,):
            site.bounty(post.id, when)
        site.record("story", post.id, types=list(kinds))
        return True

    def foreign(self, site: Site, post: SamplePost) -> bool:
        """Another natural language."""
        name = tuple(FOREIGN)[self._next("foreign" + site.form.site, len(FOREIGN))]
        code = [block for block in post.blocks if block.kind == "code"][:1]
        post.blocks = [Block("p", site.speaker.foreign(name, 4)), *code, Block("p", site.speaker.foreign(name, 3))]
        site.record("language", post.id, language=name, right_to_left=name in ("ar", "he"))
        return True

    def odd(self, site: Site, post: SamplePost) -> bool:
        """Odd but lawful texts, in turn: beyond the BMP, combining marks, tabs, very long, empty, owners below zero."""
        turn = self._next("odd" + site.form.site, len(ODD))
        name = ODD[turn]
        if name == "non_bmp":
            post.blocks.append(
                Block(
                    "p",
                    "A file \U0001f4c1 of \U0001d4b3\U00020bb7 with \U0001f468‍\U0001f469‍\U0001f467 \U0001f600.",
                )
            )
        elif name == "combining":
            post.blocks.append(Block("p", "The cafe\u0301 in Zu\u0308rich sells cre\u0300me bru\u0302le\u0301e."))
        elif name == "tabs":
            code = site.speaker.code(post.language, post.topic, 4, "\t")
            post.blocks.append(Block("code", f"block:\n\tone\n\t\x0btwo\n{code}"))
        elif name == "long":
            post.blocks += [site.prose(DETAILS, post.topic, 6) for _ in range(40)]
        elif name == "empty":
            post.blocks = []
        elif name.startswith("owner"):
            post.owner = -1 if name == "owner_community" else -2
        elif name == "missing_attributes":
            post.without = frozenset({"ViewCount", "LastActivityDate", "CommentCount", "AnswerCount"})
        else:
            post.owner = None
        site.record("odd", post.id, form=name)
        return True

    # Faults, in sites that have them.

    def illegal(self, site: Site, post: SamplePost) -> bool:
        """Character references that XML forbids."""
        if not site.form.faults:
            return False
        post.blocks.append(Block("p", "The log has a \x00 and then a \x1f before the end."))
        site.record("illegal_reference", post.id, references=["&#x00;", "&#x1F;"])
        return True

    def unknown(self, site: Site, post: SamplePost) -> bool:
        """Attributes that no schema has."""
        if not site.form.faults:
            return False
        post.extra = ' Mood="sunny" HeatIndex="3"'
        site.record("unknown_attribute", post.id, attributes={"Mood": "sunny", "HeatIndex": "3"})
        return True

    def orphan_answer(self, site: Site, post: SamplePost) -> bool:
        """An answer whose question is not there."""
        if not site.form.faults:
            return False
        post.parent = ABSENT + post.id
        site.record("orphan", post.id, table="posts", parent=post.parent)
        return True

    def orphans(self, site: Site, post: SamplePost) -> bool:
        """A comment and a vote whose post is not there, and posts of other types."""
        if not site.form.faults:
            return False
        absent = ABSENT + post.id
        text = markdown_inline(site.speaker.sentence(COMMENTS, post.topic))
        site.record("orphan", absent, table="comments", comment_id=site.orphan_comment(absent, text))
        site.orphan_vote(absent)
        site.record("orphan", absent, table="votes")
        for kind in (6, 7):
            site.record("other_type", site.other(kind, f"<p>{site.speaker.pick(post.topic['cl'])}</p>"), post_type=kind)
        return True

    def faulty(self, site: Site, post: SamplePost) -> bool:
        """A row that can't be read."""
        if not site.form.faults:
            return False
        turn = self._next("fault" + site.form.site, sys.maxsize)
        reason, table, row = FAULTS[turn % len(FAULTS)]
        if table == "users" and turn >= _FAULTS_OF_USERS * len(FAULTS):
            reason, table, row = FAULTS[0]
        site.fault(table, row.format(n=ABSENT + post.id, date=site.iso(post.created), post=post.id), reason)
        return True


TURNING = {
    *("not", "no", "never", "none", "nor", "neither", "without", "cannot", "true", "false", "yes", "always"),
    *("before", "after", "enable", "enables", "enabled", "enabling", "disable", "disables", "disabled", "disabling"),
}
"""Words that copies must not differ in: another word there would say something else."""


def _reworded(site: Site, blocks: Sequence[Block], changes: int) -> list[Block]:
    """Blocks with `changes` plain words changed, evenly spread, so that each change costs up to five shingles."""
    words = [block.text.split(" ") for block in blocks]
    places = [
        (i, j)
        for i, text in enumerate(words)
        for j, word in enumerate(text)
        if word.isalpha() and word.islower() and word not in TURNING
    ]
    step = len(places) / changes
    for k in range(changes):
        i, j = places[min(int((k + 0.25 + 0.5 * site.random()) * step), len(places) - 1)]
        words[i][j] = site.speaker.pick(site.speaker.pools["projlow"])
    return [Block(block.kind, " ".join(text), block.lexer) for block, text in zip(blocks, words, strict=True)]


def _chars(site: Site, alphabet: str, count: int) -> str:
    return "".join(site.speaker.some(alphabet, count))


def _uuid(site: Site) -> str:
    text = f"{site.bits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


Secret = tuple[str, str, str, str, bool]
"""Kind (as in the privacy configuration), form, value, text around it, and whether that is code."""


def _keyed(kind: str, form: str, text: str, alphabet: str, count: int, prefix: str) -> Callable[[Site], Secret]:
    def make(site: Site) -> Secret:
        value = prefix + _chars(site, alphabet, count)
        return kind, form, value, text.format(value), True

    return make


def _email(site: Site) -> Secret:
    first, last, firm = (site.speaker.pick(site.speaker.pools["projlow"]) for _ in range(3))
    value = f"{first}.{last}@{firm}-mail.{site.speaker.pick(('com', 'org', 'net', 'de', 'io'))}"
    return "email", "email", value, f"You can write to {value} if the error comes back.", False


def _ipv4(site: Site) -> Secret:
    value = ".".join(
        (site.speaker.pick(("23", "45", "81", "93", "141", "185")), *(str(1 + site.bits(7)) for _ in range(3)))
    )
    return "ip_address", "ipv4", value, f"The server at {value} does not answer on port 8080.", False


def _ipv6(site: Site) -> Secret:
    value = "2a02:" + ":".join(f"{4096 + site.bits(14):x}" for _ in range(7))
    return "ip_address", "ipv6", value, f"ping6 {value} -c 3", True


def _phone(form: str, pattern: str) -> Callable[[Site], Secret]:
    def make(site: Site) -> Secret:
        value = re.sub("#", lambda _: site.speaker.pick("23456789"), pattern)
        return "phone", form, value, f"Call me at {value} when the deployment is done.", False

    return make


def _jwt(site: Site) -> Secret:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    payload = f'{{"sub":"{site.bits(40)}","name":"{_chars(site, LOWER, 7)}","iat":{1_500_000_000 + site.bits(26)}}}'
    head = part(b'{"alg":"HS256","typ":"JWT"}')
    value = f"{head}.{part(payload.encode())}.{part(site.bits(256).to_bytes(32, 'big'))}"
    return "token", "jwt", value, f"curl -H 'Authorization: Bearer {value}' https://api.example.org/v1/items", True


def _password(form: str, text: str) -> Callable[[Site], Secret]:
    def make(site: Site) -> Secret:
        value = _chars(site, UPPER, 2) + _chars(site, LOWER, 5) + _chars(site, DIGITS, 3) + _chars(site, ALNUM, 4)
        return "password", form, value, text.format(value), True

    return make


def _pem(site: Site) -> Secret:
    body = base64.b64encode(site.bits(8 * 608).to_bytes(608, "big")).decode()
    lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
    name = "RSA " + "PRIVATE KEY"
    value = f"-----BEGIN {name}-----\n{lines}\n-----END {name}-----"
    return "private_key", "pem", value, value, True


_SECRETS: tuple[Callable[[Site], Secret], ...] = (
    _email,
    _ipv4,
    _keyed("key", "aws", 'aws_access_key_id = "{}"', UPPER + "234567", 16, "AKIA"),
    _password("url", "DATABASE_URL=postgres://shop:{}@db.internal.example.org:5432/shop"),
    _phone("international", "+49 30 23125 ###"),
    _keyed("token", "github", "git clone https://{}@github.com/example/repo.git", ALNUM, 36, "ghp" + "_"),
    _ipv6,
    _jwt,
    _password("assignment", 'client = connect(host="db", user="admin", password="{}")'),
    _keyed("token", "slack", 'slack = WebClient(token="{}")', ALNUM, 24, "xoxb-" + "9041375286-841350927643-"),
    _phone("national", "(212) 736-####"),
    _keyed("key", "stripe", 'stripe.api_key = "{}"', ALNUM, 24, "sk_" + "live_"),
    _password("ado", "Server=tcp:db1;Database=shop;User Id=sa;Password={};Encrypt=True;"),
    _keyed("key", "google", 'const key = "{}";', ALNUM + "-_", 35, "AI" + "za"),
    _keyed("key", "aws_secret", 'aws_secret_access_key = "{}"', ALNUM + "/+", 40, ""),
    _phone("british", "+44 20 7946 0###"),
    _pem,
)

# The kind that it looks like, the text, and whether it is code. HEX40 and UUID are filled in.
HARMLESS: tuple[tuple[str, str, bool], ...] = (
    ("ip_address", "It listens on 127.0.0.1 and not on 0.0.0.0 as one may think.", False),
    ("ip_address", "ping 192.0.2.1", True),
    ("email", "Send it to someone@example.com or to user@example.org instead.", False),
    ("ip_address", "The assembly has version 1.2.3.4 and the runtime version 4.0.30319.", False),
    ("password", 'connect(user="admin", password="changeme")', True),
    ("password", "postgres://user:password@localhost:5432/test", True),
    ("password", "Server=db;User Id=sa;Password=<your password>;", True),
    ("key", "git checkout HEX40", True),
    ("key", "The request id was UUID in the log.", False),
    ("user", "@app.route('/items')\n@login_required\ndef items():\n    return []", True),
    ("user", "@media (max-width: 600px) {\n    .menu { display: none; }\n}", True),
    ("ip_address", "ssh root@::1 -p 2222 # also 2001:db8::1", True),
    ("phone", "The value 2147483647 overflows, and 1970-01-01 00:00:00 is what remains.", False),
    ("key", 'api_key = "YOUR_API_KEY_HERE"', True),
)

# The reason why it can't be read, the table, and the row.
_FAULTS_OF_USERS = 8
"""Users are few: with more faults a large dump would be refused, as one of which too much can't be read."""
FAULTS: tuple[tuple[str, str, str], ...] = (
    ("number", "posts", '<row Id="{n}x" PostTypeId="1" CreationDate="{date}" Score="1" Body="bad number" />'),
    ("ampersand", "posts", '<row Id="{n}" PostTypeId="1" CreationDate="{date}" Score="0" Body="this & that" />'),
    ("quote", "comments", '<row Id="{n}" PostId="{post}" Text="never closed CreationDate="{date}" UserId="1" />'),
    (
        "entity",
        "history",
        '<row Id="{n}" PostHistoryTypeId="2" PostId="{post}" CreationDate="{date}" Text="a&nbsp;b" />',
    ),
    ("truncated", "votes", '<row Id="{n}" PostId="{post}" VoteTy'),
    ("bracket", "users", '<row Id="{n}" Reputation="1" CreationDate="{date}" DisplayName="a < b" />'),
    ("number", "votes", '<row Id="{n}" PostId="{post}y" VoteTypeId="2" CreationDate="{date}" />'),
    ("number", "comments", '<row Id="" PostId="{post}" Text="an empty number" CreationDate="{date}" UserId="1" />'),
)

Plant = Callable[[Planter, Site, SamplePost], bool]
_P = Planter
QUESTIONS: tuple[Plant, ...] = (
    *(_P.exact, _P.secret, _P.contaminate, _P.faulty, _P.odd, _P.story, _P.orphans, _P.secret_comment, _P.foreign),
    *(
        _P.illegal,
        _P.secret,
        _P.harmless,
        _P.faulty,
        _P.odd,
        _P.story,
        _P.contaminate,
        _P.unknown,
        _P.faulty,
        _P.secret,
    ),
)
ANSWER_DECK: tuple[Plant, ...] = (
    *(_P.base, _P.above, _P.secret, _P.below, _P.obsolete, _P.above, _P.not_obsolete, _P.below, _P.exact, _P.code_base),
    *(_P.secret_comment, _P.code_copy, _P.version_edit, _P.across, _P.harmless, _P.foreign, _P.newer_answer, _P.odd),
    *(_P.obsolete, _P.notice, _P.not_obsolete, _P.story, _P.orphan_answer, _P.illegal, _P.secret, _P.not_obsolete),
)
