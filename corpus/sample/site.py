"""One site of the sample: questions, answers and all that happens to them, written row by row in order of time.

A post's number is its place in time. Answers are planned at free numbers after their question, so the accepted answer
is known when the question is written, and only the plans of some thousand posts are held.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from socorpus.corpus.sample.forms import DAY, Dates, Record, SiteForm, Tables, escape, licence, milliseconds
from socorpus.corpus.sample.text import (
    ADVICE,
    ANSWERS,
    ASKS,
    COMMENTS,
    DETAILS,
    ERRORS,
    HEADINGS,
    ITEMS,
    LEADS,
    OPENINGS,
    TAGS,
    TRIED,
    Block,
    Language,
    Speaker,
    markdown_inline,
    name_of,
    plain_inline,
    render,
)

NEW_REASONS = milliseconds("2013-06-25")
"""When the reasons for closing were renumbered."""
MODERN_HTML = milliseconds("2020-06-01")
"""About when the publisher moved to CommonMark."""
BADGES = (
    ("Student", 3),
    ("Teacher", 3),
    ("Editor", 3),
    ("Scholar", 3),
    ("Notable Question", 2),
    ("Famous Question", 1),
)
EDITS = ("fixed grammar", "edited body", "improved formatting", "removed thanks", "added details", "spelling")

Topic = Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Comment:
    """A comment before it is written: Markdown, its author (None: only a name), and what is planted in it."""

    text: str
    user: int | None = None
    plants: list[Record] = field(default_factory=list)
    when: int | None = None


@dataclass(slots=True)
class Event:
    """A row of a post's history after its first three."""

    when: int
    type: int
    user: int | None
    comment: str | None = None
    text: str | None = None
    plant: Record | None = None


@dataclass(slots=True)
class SamplePost:
    """A question or an answer on its way to the tables; plants change it before it is written."""

    id: int
    question: bool
    created: int
    language: Language
    topic: Topic
    blocks: list[Block]
    owner: int | None
    title: str = ""
    tags: tuple[str, ...] = ()
    parent: int = 0
    elder: int = 0
    """The thread's answer before this one, 0 for none."""
    accepted: int = 0
    answers: int = 0
    score: int = 0
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    closed: int = 0
    first_title: str = ""
    first_blocks: list[Block] | None = None
    community: int = 0
    """When it became community-owned."""
    without: frozenset[str] = frozenset()
    """Attributes that are left out."""
    extra: str = ""
    """Attributes that no schema knows."""
    settled: bool = False
    """Nothing more may happen to it by chance."""


@dataclass(slots=True)
class _ThreadPlan:
    question: int
    title: str
    language: Language
    topic: Topic
    accepted: bool
    elder: int
    asker: int | None


class Site:
    """Writes a site. `plant(site, post)` may change a post before it is written, and lists what it planted."""

    def __init__(
        self,
        form: SiteForm,
        tables: Tables,
        seed: str,
        truth: Callable[[Record], None],
        plant: Callable[["Site", SamplePost], None],
    ) -> None:
        self.form, self.tables, self.emit, self.plant = form, tables, truth, plant
        rng = random.Random(seed)
        self.random, self.bits = rng.random, rng.getrandbits
        self.speaker, self.iso = Speaker(rng), Dates()
        self.first, self.last = milliseconds(form.first), milliseconds(form.last)
        self.clock, self.next_post, self.users = self.first, 1, 0
        self.ids: Counter[str] = Counter()
        self.types: Counter[int] = Counter()
        self.tag_counts: Counter[str] = Counter()
        self.wikis: dict[str, tuple[int, int]] = {}
        self.plans: dict[int, _ThreadPlan] = {}
        self.recent: deque[int] = deque(maxlen=500)
        self.old_reasons, self.new_reasons = cycle((4, 2, 3, 7, 1, 10, 20)), cycle((102, 103, 101, 104, 105))

    def write(self, threads: int | None, size: int | None) -> None:
        """Write the site until it has this many threads, or about this many bytes."""
        self._user(-1, "Community")
        if self.form.last > "2014":
            self._user(-2, "Answer Bot")
        asked, done, waiting = 0, 0.0, list(TAGS)
        while done < 1 or self.plans:
            done = asked / threads if threads is not None else self.tables.given / (size or 1)
            pace = self.first + int(min(done, 1) * 0.97 * (self.last - self.first))
            self.clock = max(self.clock + 1000 + int(self.random() * 50_000), pace)
            if self.next_post not in self.plans and done >= 1:
                self.next_post = min(self.plans, default=self.next_post)
                if not self.plans:
                    break
            number, self.next_post = self.next_post, self.next_post + 1
            plan = self.plans.pop(number, None)
            if plan is not None:
                self._answer(number, plan)
                continue
            asked += 1
            if asked % 7 == 0 and waiting:
                self._wiki(waiting.pop(0))
            self._question(number)
        if self.form.fabricated:
            self._fabricated()
        for number, tag in enumerate(TAGS, 1):
            wiki = 'ExcerptPostId="{}" WikiPostId="{}"'.format(*self.wikis[tag]) if tag in self.wikis else ""
            self.tables.row(
                "tags", f'Id="{number}" TagName="{escape(tag)}" Count="{self.tag_counts[tag]}" {wiki}'.rstrip()
            )

    # Methods for plants.

    def chance(self, share: float) -> bool:
        """True in this share of calls."""
        return self.random() < share

    def number(self, table: str) -> int:
        """The next Id of a table."""
        self.ids[table] += 1
        return self.ids[table]

    def later(self, when: int, days: float) -> int:
        """A time after another, within some days, mostly soon, and before the dump's date."""
        return min(when + 60_000 + int(self.random() ** 3 * days * DAY), max(when + 1000, self.last - 1))

    def someone(self) -> int:
        """A user: now and then a new one."""
        if self.users < 3 or self.random() < 0.1:
            self.users += 1
            self._user(self.users, name_of(self.users))
            return self.users
        return 1 + int(self.random() * self.random() * self.users)

    def another(self, than: int | None) -> int:
        """A user who is not the given one."""
        user = self.someone()
        return user if user != than else user % self.users + 1

    def record(self, plant: str, post: int, **details: object) -> None:
        """List a plant."""
        self.emit({"plant": plant, "post_id": post, **details})

    def prose(self, patterns: Sequence[str], topic: Topic, count: int) -> Block:
        """A paragraph."""
        return Block("p", self.speaker.paragraph(patterns, topic, count))

    def close(self, post: SamplePost, when: int, reason: int | None = None, reopened: int = 0) -> None:
        """Close a question, and list it; `reopened` is when it was opened again."""
        new = when >= NEW_REASONS and not self.form.area51
        reason = reason or next(self.new_reasons if new else self.old_reasons)
        originals: list[int] = []
        if reason in (1, 101) and self.recent:
            originals = [self.recent[int(self.random() * len(self.recent))]]
            self._link(post.id, originals[0], 3, when)
        voters = ",".join(f'{{"Id":{u},"DisplayName":"{name_of(u)}"}}' for u in (self.someone() for _ in range(3)))
        text = f'{{"OriginalQuestionIds":{originals},' if originals else "{"
        text = f"[{voters}]" if self.form.area51 else f'{text}"Voters":[{voters}]}}'
        era = "area51" if self.form.area51 else "new" if new else "old"
        record: Record = {"plant": "closing", "reason": reason, "era": era, "reopened": bool(reopened)}
        record["originals"] = [] if self.form.area51 else originals
        post.events.append(Event(when, 10, self.someone(), str(reason), text, record))
        if not new:
            for _ in range(3):
                self._vote(post.id, 6, when)
        if reopened:
            self._vote(post.id, 7, reopened)
            back = f"[{voters}]" if self.form.area51 else f'{{"Voters":[{voters}]}}'
            post.events.append(Event(reopened, 11, self.someone(), None, back))
        post.closed = 0 if reopened else when

    def edit(self, post: SamplePost, kind: int, user: int | None, when: int, comment: str | None = None) -> None:
        """Edit a post, and list it; kinds 4 to 9. The body that stands is the last; the first is a shorter one."""
        by = "owner" if user == post.owner else "community" if user == -1 else "other"
        text = None
        if kind in (5, 8):
            post.first_blocks = post.first_blocks or self._draft(post.blocks)
        elif kind == 4:
            post.first_title, text = self.speaker.title(post.topic), post.title
        elif kind in (6, 9):
            text = "".join(f"<{tag}>" for tag in post.tags)
        summary = comment or EDITS[int(self.random() * len(EDITS))]
        post.events.append(Event(when, kind, user, summary, text, {"plant": "edit", "type": kind, "by": by}))

    def fault(self, table: str, row: str, reason: str) -> None:
        """Write a row that can't be read."""
        self.tables.unreadable(table, row, reason)

    # Posts.

    def _question(self, number: int) -> None:
        language, topic = self.speaker.topic()
        if self.form.deleted and self.chance(0.03):
            return self._stub(number, 1, 0)
        say, random_ = self.prose, self.random
        blocks = [say(OPENINGS, topic, 1 + int(random_() * 2)), say(DETAILS, topic, 1 + int(3 / (0.8 + 4 * random_())))]
        if random_() < 0.75:
            blocks += [Block("p", self.speaker.sentence(LEADS, topic)), self._code(language, topic)]
        if random_() < 0.25:
            blocks.append(Block("code", self.speaker.fill(self.speaker.pick(ERRORS), topic)))
        if random_() < 0.6:
            blocks.append(say(TRIED, topic, 1 + int(random_() * 3)))
        if random_() < 0.12:
            blocks.append(self._items(topic, "ol" if random_() < 0.4 else "ul"))
        blocks.append(say(ASKS, topic, 1 + int(random_() * 1.5)))
        tags = dict.fromkeys((language.tag, topic["lib"][0], *self.speaker.some(TAGS, int(random_() * 3))))
        post = SamplePost(
            number, True, self.clock, language, topic, blocks, self._owner(), self.speaker.title(topic), tuple(tags)
        )
        post.answers = self._plan(post)
        roll = random_()
        self._quality(post, roll)
        if not post.settled:
            self.plant(self, post)
        self._finish(post)
        self.recent.append(number)
        for tag in post.tags:
            self.tag_counts[tag] += 1
        return None

    def _quality(self, post: SamplePost, roll: float) -> None:
        """High and low quality by design, and closings of all kinds; anything else has a middling score."""
        post.score = int(6 * self.random() ** 2) - (1 if self.chance(0.2) else 0)
        when = self.later(post.created, 20)
        if roll >= 0.17:
            return
        post.settled = True
        if roll < 0.04:
            post.score = 30 + int(self.random() * 200)
            self.record("quality", post.id, label="HQ")
        elif roll < 0.08:
            post.score = -1 - int(self.random() * 6)
            for _ in range(2 + int(self.random() * 3)):
                self.edit(post, 5, self.another(post.owner), self.later(post.created, 30))
            post.first_blocks = _rough(post.blocks)
            self.record("quality", post.id, label="LQ_EDIT")
        elif roll < 0.13:
            post.score = 1 - int(self.random() * 6)
            self.close(post, when)
            self.record("quality", post.id, label="LQ_CLOSE")
        elif roll < 0.155:
            self.close(post, when, reopened=self.later(when, 20))
        else:
            self.close(post, when, reopened=when + DAY)
            self.close(post, when + 2 * DAY)

    def _plan(self, post: SamplePost) -> int:
        roll = self.random()
        count = 0 if roll < 0.25 else 1 if roll < 0.68 else 2 if roll < 0.88 else 3 if roll < 0.97 else 5
        chosen, elder = (0 if self.chance(0.6) else -1), 0
        for i in range(count):
            number = post.id + 1 + min(int(3 / (1.001 - self.random())), 2500)
            number = max(number, elder + 1, self.next_post)
            while number in self.plans:
                number += 1
            self.plans[number] = _ThreadPlan(
                post.id, post.title, post.language, post.topic, i == chosen, elder, post.owner
            )
            if i == chosen:
                post.accepted = number
            elder = number
        return count

    def _answer(self, number: int, plan: _ThreadPlan) -> None:
        if self.form.deleted and not plan.accepted and self.chance(0.03):
            return self._stub(number, 2, plan.question)
        topic, language, say, random_ = plan.topic, plan.language, self.prose, self.random
        blocks = []
        if random_() < 0.05:
            blocks.append(Block("quote", self.speaker.sentence(DETAILS, topic)))
        blocks.append(say(ANSWERS, topic, 1 + int(2.5 / (0.5 + 4 * random_()))))
        if random_() < 0.6:
            blocks += [Block("p", self.speaker.sentence(LEADS, topic)), self._code(language, topic)]
        if random_() < 0.06:
            blocks.append(Block("heading", self.speaker.sentence(HEADINGS, topic)))
        blocks.append(say(ADVICE, topic, 1 + int(random_() * 3)))
        if random_() < 0.12:
            blocks.append(self._items(topic, "ol" if random_() < 0.4 else "ul"))
        if random_() < 0.1:
            blocks += [Block("rule", ""), say(ANSWERS, topic, 2), self._code(language, topic)]
        post = SamplePost(number, False, self.clock, language, topic, blocks, self._owner(), parent=plan.question)
        post.elder, post.score = plan.elder, int(8 * random_() ** 3) + (2 if plan.accepted else 0)
        self.plant(self, post)
        self._finish(post)
        if plan.accepted:
            self._vote(number, 1, self.later(self.clock, 5))
        return None

    def _code(self, language: Language, topic: Topic) -> Block:
        count = 2 + int(2.2 / (0.3 + 3 * self.random()))
        lexer = language.lexer if self.random() < 0.45 else None
        return Block("code", self.speaker.code(language, topic, count, "\t" if self.random() < 0.06 else "    "), lexer)

    def _items(self, topic: Topic, kind: str) -> Block:
        return Block(kind, "\n".join(self.speaker.sentence(ITEMS, topic) for _ in range(2 + int(self.random() * 4))))

    def _owner(self) -> int | None:
        return None if self.random() < 0.02 else self.someone()

    def _draft(self, blocks: list[Block]) -> list[Block]:
        """The text before an edit: a word less, and perhaps a block less."""
        first = blocks[0] if blocks else Block("p", "Nothing is left of this text.")
        words = first.text.split(" ")
        plain = [i for i, word in enumerate(words) if word.isalpha()]
        if len(plain) > 3 and first.kind == "p":
            del words[plain[int(self.random() * len(plain))]]
        rest = blocks[1:-1] if len(blocks) > 2 and self.chance(0.5) else blocks[1:]
        return [Block(first.kind, " ".join(words), first.lexer), *rest]

    def _finish(self, post: SamplePost) -> None:
        """Random events of a post, and its rows."""
        random_ = self.random
        if not post.settled and random_() < 0.22:
            user = post.owner if random_() < 0.5 else self.another(post.owner)
            self.edit(post, 6 if post.question and random_() < 0.2 else 5, user, self.later(post.created, 200))
            if post.question and random_() < 0.1:
                self.edit(post, 4, self.another(post.owner), self.later(post.created, 400))
            if random_() < 0.08:
                self.edit(post, 8, post.owner, self.later(post.events[-1].when, 5), "Rollback to Revision 1")
        if random_() < 0.45:
            for _ in range(1 + int(0.7 / (0.1 + random_()))):
                text = markdown_inline(self.speaker.sentence(COMMENTS, post.topic))
                comment = Comment(text, self.someone() if random_() < 0.97 else None)
                if random_() < 0.3 and post.owner and post.owner > 0:
                    name = "@" + name_of(post.owner).replace(" ", "")
                    comment.text = f"{name} {text}"
                    comment.plants.append({"plant": "secret", "kind": "user", "form": "mention", "value": name})
                post.comments.append(comment)
        self._rows(post)

    def _rows(self, post: SamplePost) -> None:
        iso, events = self.iso, sorted(post.events, key=lambda event: event.when)
        created = iso(post.created)
        modern = post.created >= MODERN_HTML
        html, markdown = render(post.blocks, modern)
        self.types[1 if post.question else 2] += 1
        out = [f'Id="{post.id}" PostTypeId="{1 if post.question else 2}"']
        if post.accepted:
            out.append(f'AcceptedAnswerId="{post.accepted}"')
        if post.parent:
            out.append(f'ParentId="{post.parent}"')
        out.append(f'CreationDate="{created}" Score="{post.score}"')
        if post.question:
            out.append(f'ViewCount="{20 + int(abs(post.score) * 90 + 400 * self.random())}"')
        out.append(f'Body="{escape(html)}"')
        if post.owner is not None:
            out.append(f'OwnerUserId="{post.owner}"')
        else:
            out.append(f'OwnerDisplayName="user{100_000 + post.id}"')
        edited = [event for event in events if 4 <= event.type <= 9]
        if edited:
            if edited[-1].user is not None:
                out.append(f'LastEditorUserId="{edited[-1].user}"')
            else:
                out.append(f'LastEditorDisplayName="user{100_000 + post.id}"')
            out.append(f'LastEditDate="{iso(edited[-1].when)}"')
        out.append(f'LastActivityDate="{iso(edited[-1].when) if edited else created}"')
        closed = f'ClosedDate="{iso(post.closed)}"' if post.closed else ""
        if post.question:
            joined = "|" + "|".join(post.tags) + "|" if self.form.pipes else "".join(f"<{tag}>" for tag in post.tags)
            out.append(f'Title="{escape(post.title)}" Tags="{escape(joined)}" AnswerCount="{post.answers}"')
        if post.comments or not self.form.area51:
            out.append(f'CommentCount="{len(post.comments)}"')
        if closed:
            out.append(closed)
        if post.community:
            out.append(f'CommunityOwnedDate="{iso(post.community)}"')
        if self.form.license:
            out.append(f'ContentLicense="{licence(created)}"')
        if post.without:
            out = [a for piece in out for a in _attributes(piece) if a.split("=")[0] not in post.without]
        self.tables.row("posts", " ".join(out) + post.extra)
        self._history(post, created, markdown, events, modern)
        for comment in post.comments:
            self._comment(post.id, comment, post.created)
        self._votes(post, created)
        if post.question and len(self.recent) > 5 and self.random() < 0.08:
            self._link(post.id, self.recent[int(self.random() * len(self.recent))], 1, post.created)

    def _history(self, post: SamplePost, created: str, markdown: str, events: list[Event], modern: bool) -> None:
        if "history" not in self.form.tables:
            return
        first = render(post.first_blocks, modern)[1] if post.first_blocks is not None else markdown
        guid = self._guid()
        who = f'UserId="{post.owner}"' if post.owner is not None else f'UserDisplayName="user{100_000 + post.id}"'
        end = f' ContentLicense="{licence(created)}"' if self.form.license else ""
        rows = [(2, first)]
        if post.question:
            rows += [(1, post.first_title or post.title), (3, "".join(f"<{tag}>" for tag in post.tags))]
        for kind, text in rows:
            self.tables.row(
                "history",
                f'Id="{self.number("history")}" PostHistoryTypeId="{kind}" PostId="{post.id}" RevisionGUID="{guid}" '
                f'CreationDate="{created}" {who} Text="{escape(text)}"{end}',
            )
        for event in events:
            number, when = self.number("history"), self.iso(event.when)
            body = {5: markdown, 8: first}.get(event.type, event.text)
            parts = [f'Id="{number}" PostHistoryTypeId="{event.type}" PostId="{post.id}" RevisionGUID="{self._guid()}"']
            parts.append(f'CreationDate="{when}"')
            if event.user is not None:
                parts.append(f'UserId="{event.user}"')
            if event.comment is not None:
                reason = self.form.area51 and event.type == 10
                parts.append(f'{"CloseReasonId" if reason else "Comment"}="{escape(event.comment)}"')
            if body is not None:
                parts.append(f'Text="{escape(body)}"')
            if self.form.license and event.type <= 9:
                parts.append(f'ContentLicense="{licence(when)}"')
            self.tables.late("history", " ".join(parts))
            if event.plant is not None:
                self.emit(event.plant | {"post_id": post.id, "history_id": number, "date": when})

    def _comment(self, post: int, comment: Comment, after: int) -> int:
        number = self.number("comments")
        when = self.iso(comment.when or self.later(after, 60))
        score = 0 if self.random() < 0.8 else int(self.random() * 5)
        counted = "" if self.form.area51 and not score else f' Score="{score}"'
        who = f'UserId="{comment.user}"' if comment.user is not None else f'UserDisplayName="user{200_000 + number}"'
        end = f' ContentLicense="{licence(when)}"' if self.form.comment_license else ""
        self.tables.late(
            "comments",
            f'Id="{number}" PostId="{post}"{counted} Text="{escape(comment.text)}" CreationDate="{when}" {who}{end}',
        )
        for plant in comment.plants:
            self.emit(plant | {"post_id": post, "comment_id": number, "field": "comment"})
        return number

    def _votes(self, post: SamplePost, created: str) -> None:
        day = created[:10] if self.form.area51 else created[:11] + "00:00:00.000"
        downs = max(0, -post.score) + (1 if self.random() < 0.05 else 0)
        kinds = [2] * min(post.score + downs, 40) + [3] * downs
        for kind in kinds:
            number = self.number("votes")
            self.tables.row("votes", f'Id="{number}" PostId="{post.id}" VoteTypeId="{kind}" CreationDate="{day}"')
        if post.question and self.random() < 0.1:
            self._vote(post.id, 5, post.created, self.someone())
        elif self.random() < 0.01:
            self._vote(post.id, (16, 15, 4, 12)[int(self.random() * 4)], post.created)

    def _vote(self, post: int, kind: int, when: int, user: int | None = None, bounty: int = 0) -> None:
        date = self.iso(when)
        day = date[:10] if self.form.area51 else date[:11] + "00:00:00.000"
        who = f' UserId="{user}"' if user is not None else ""
        end = f' BountyAmount="{bounty}"' if bounty else ""
        number = self.number("votes")
        self.tables.late("votes", f'Id="{number}" PostId="{post}" VoteTypeId="{kind}"{who} CreationDate="{day}"{end}')

    def bounty(self, post: int, when: int) -> None:
        """A bounty is offered, and given."""
        self._vote(post, 8, when, self.someone(), 100)
        self._vote(post, 9, when + 7 * DAY, None, 100)

    def orphan_vote(self, post: int) -> None:
        """A vote on a post that is not there."""
        self._vote(post, 2, self.clock)

    def orphan_comment(self, post: int, text: str) -> int:
        """A comment on a post that is not there; its Id."""
        return self._comment(post, Comment(text, self.someone()), self.clock)

    def _link(self, post: int, related: int, kind: int, when: int) -> None:
        self.tables.row(
            "links",
            f'Id="{self.number("links")}" CreationDate="{self.iso(when)}" PostId="{post}" RelatedPostId="{related}" '
            f'LinkTypeId="{kind}"',
        )

    def _guid(self) -> str:
        text = f"{self.bits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _stub(self, number: int, kind: int, parent: int) -> None:
        """A deleted post: no body, no history."""
        above = f' ParentId="{parent}"' if parent else ""
        when, gone = self.iso(self.clock), self.iso(self.later(self.clock, 30))
        self.types[kind] += 1
        dates = f'CreationDate="{when}" DeletionDate="{gone}"'
        self.tables.row("posts", f'Id="{number}" PostTypeId="{kind}"{above} {dates} Score="-1"')
        self._vote(number, 10, self.clock)
        self.record("deleted", number, post_type=kind)

    def other(self, kind: int, body: str, owner: int = -1) -> int:
        """A post that is neither a question nor an answer; its Id."""
        while self.next_post in self.plans:
            self.next_post += 1
        number, self.next_post = self.next_post, self.next_post + 1
        when = self.iso(self.clock)
        self.types[kind] += 1
        end = f' ContentLicense="{licence(when)}"' if self.form.license else ""
        self.tables.row(
            "posts",
            f'Id="{number}" PostTypeId="{kind}" CreationDate="{when}" Score="0" Body="{escape(body)}" '
            f'OwnerUserId="{owner}" LastActivityDate="{when}" CommentCount="0"{end}',
        )
        return number

    def _wiki(self, tag: str) -> None:
        topic = self.speaker.topic()[1]
        excerpt = self.other(4, f"{tag} is about {self.speaker.pick(topic['np'])}: {self.speaker.pick(topic['cl'])}.")
        body = render([self.prose(ADVICE, topic, 3), self.prose(ANSWERS, topic, 2)], self.clock >= MODERN_HTML)[0]
        self.wikis[tag] = (excerpt, self.other(5, body))

    def _fabricated(self) -> None:
        for number, kind, parent in ((1_000_000_001, 1, 0), (1_000_000_010, 2, 1_000_000_001)):
            topic = self.speaker.topic()[1]
            html = render([self.prose(OPENINGS if kind == 1 else ANSWERS, topic, 3)], True)[0]
            when = self.iso(self.last - DAY)
            above = f'ParentId="{parent}" ' if parent else ""
            title = f'Title="{escape(self.speaker.title(topic))}" Tags="|python|" AnswerCount="1" ' if kind == 1 else ""
            self.types[kind] += 1
            self.tables.row(
                "posts",
                f'Id="{number}" PostTypeId="{kind}" {above}CreationDate="{when}" Score="0" Body="{escape(html)}" '
                f'OwnerUserId="-1" LastActivityDate="{when}" {title}CommentCount="0" ContentLicense="{licence(when)}"',
            )
            self.record("fabricated", number)

    def _user(self, number: int, name: str) -> None:
        random_, when = self.random, self.iso(self.clock)
        out = [f'Id="{number}" Reputation="{1 + int(3000 * random_() ** 6)}" CreationDate="{when}"']
        if self.form.area51:
            out.append(f'EmailHash="{self.bits(128):032x}"')
        out.append(f'DisplayName="{escape(name)}" LastAccessDate="{self.iso(self.later(self.clock, 900))}"')
        if random_() < 0.3:
            out.append(f'WebsiteUrl="https://{name.replace(" ", "").lower()}.example.org" Location="Sampletown"')
            out.append('AboutMe="&lt;p&gt;I write &lt;strong&gt;code&lt;/strong&gt;.&lt;/p&gt;&#xA;"')
        out.append(f'Views="{int(100 * random_() ** 4)}" UpVotes="{int(90 * random_() ** 3)}" DownVotes="0"')
        if not self.form.area51:
            out.append(f'AccountId="{number + 5000 if number > 0 else number}"')
        self.tables.row("users", " ".join(out))
        for name, rank in BADGES[: int(len(BADGES) * random_() ** 3) + (1 if number > 0 else 0)]:
            end = "" if self.form.area51 else f' Class="{rank}" TagBased="False"'
            self.tables.row(
                "badges", f'Id="{self.number("badges")}" UserId="{number}" Name="{name}" Date="{when}"{end}'
            )


def _attributes(piece: str) -> list[str]:
    """The attributes of a piece of a row, each `Name="value"`."""
    return [part + '"' for part in piece.split('" ')[:-1]] + [piece.split('" ')[-1]]


def _rough(blocks: list[Block]) -> list[Block]:
    """The text before others rescued it: half of each paragraph's words, and code that is not laid out as such."""
    return [
        Block("p", " ".join(plain_inline(block.text).split(" ")[::2]).lower())
        if block.kind == "p"
        else Block("p", plain_inline(block.text))
        for block in blocks
    ]
