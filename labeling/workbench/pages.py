"""The pages of the workbench, as an application of Starlette: lists of posts, a post, disagreements, saved queries.

All work on the corpus is done by one thread, in the steps of `searching`: a long search lets other pages in between.
A search ends when its browser has gone.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage.boundary import crossed
from socorpus.labeling.workbench import disagreements, marked_text, post_view, queries, saved_queries
from socorpus.labeling.workbench.admission import OwnerOnly
from socorpus.labeling.workbench.opening import Opened
from socorpus.labeling.workbench.queries import DROPPED, KEPT, Query
from socorpus.labeling.workbench.searching import After, Answer, CheckedQuery

_T = TypeVar("_T")
_HERE = Path(__file__).parent
_STATIC = {"browse.css": "text/css", "browse.js": "text/javascript"}
SECONDS_AT_ONCE = 0.4
"""Time within which an answer is sent as a whole; one that takes longer is sent as it comes."""
_BODY = 200_000
"""Bytes of a form."""
_SHOWN = {
    "documents": ("post_id", "kind", "created", "score"),
    "statistics": ("words",),
    "decisions": ("keep", "reason"),
}
"""Columns of every list."""


@dataclass(frozen=True)
class Column:
    """A column of a list: its heading, and the address that sorts by it."""

    head: str
    sort: str = ""
    address: str = ""
    direction: str = ""


def app(opened: Opened, token: str) -> Starlette:
    """The application; only requests with the token are answered."""
    pages = _Pages(opened)
    get: dict[str, Callable[[Request], Any]] = {
        "/": pages.posts,
        "/post": pages.post,
        "/disagree": pages.disagree,
        "/nearest": pages.nearest,
        "/saved": pages.saved,
        "/static/{name}": pages.static,
    }
    post = {"/save": pages.save, "/remove": pages.remove}
    application = Starlette(
        routes=[
            *(Route(path, answer, methods=["GET"]) for path, answer in get.items()),
            *(Route(path, answer, methods=["POST"]) for path, answer in post.items()),
        ],
        middleware=[Middleware(OwnerOnly, token)],
        exception_handlers={HTTPException: pages.refused, SocorpusError: pages.failed, Exception: pages.broken},
        lifespan=pages.lifespan,
    )
    application.router.redirect_slashes = False
    return application


class _Pages:
    def __init__(self, opened: Opened) -> None:
        self.opened, self.searching, self.store = opened, opened.searching, opened.store
        self._worker = ThreadPoolExecutor(1, "browse")
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
        )
        self._templates.filters |= {"visible": marked_text.visible, "number": _number, "day": _day}
        self._templates.globals |= {"address": _address, "evidence": post_view.evidence}

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Read the columns that lists show and filters ask for, while the first page is being looked at."""
        reading = asyncio.ensure_future(self._read_ahead())
        try:
            yield
        finally:
            reading.cancel()
            self.searching.stop()
            self._worker.shutdown(wait=True, cancel_futures=True)

    async def _read_ahead(self) -> None:
        """Read columns step by step, so that questions come in between; as many as fit into memory."""
        shown = {table: columns for table, columns in _SHOWN.items() if table in self.store.schemas}
        ahead: list[tuple[str, Sequence[str]]] = [*shown.items(), ("documents", ("site", "tags"))]
        ahead += [(table, self.store.schemas[table].names) for table in self.store.tasks]
        ahead += [("language", ("language", "probability")), ("statistics", ("chars", "code_share"))]
        known: dict[str, list[str]] = {}
        for table, columns in ahead:
            if table not in self.store.schemas:
                continue
            known[table] = [*known.get(table, ()), *columns]
            if not self.store.fits(known):
                return
            steps = self.store.loading({table: columns})
            while await self._work(lambda steps=steps: next(steps, None)) is not None:  # type: ignore[misc]
                pass

    # --- work on the corpus ------------------------------------------------------------------------------------------

    async def _work(self, function: Callable[[], _T]) -> _T:
        """A function of the corpus, by the one thread that works on it."""

        def call() -> _T:
            with crossed():
                return function()

        return await asyncio.get_running_loop().run_in_executor(self._worker, call)

    async def _steps(self, request: Request, steps: Iterator[Answer]) -> AsyncIterator[Answer]:
        """The steps of a search, while there is somebody who waits for them."""
        try:
            while True:
                begun = threading.Event()

                def following(begun: threading.Event = begun) -> Answer | None:
                    begun.set()
                    return next(steps, None)

                step = asyncio.ensure_future(self._work(following))
                while not step.done():
                    await asyncio.wait({step}, timeout=0.5)
                    if not step.done() and await request.is_disconnected():
                        if begun.is_set():  # and not that of another browser
                            self.searching.stop()
                        step.cancel()
                        return
                answer = step.result()
                if answer is None:
                    return
                yield answer
                if await request.is_disconnected():
                    return
        finally:
            close: Callable[[], object] = getattr(steps, "close", lambda: None)
            self._worker.submit(close)

    # --- pages -------------------------------------------------------------------------------------------------------

    async def posts(self, request: Request) -> Response:
        """A list of posts, by a query."""
        return await self._list(request, "posts")

    async def disagree(self, request: Request) -> Response:
        """The posts on which two functions disagree."""
        return await self._list(request, "disagree")

    async def _list(self, request: Request, mode: str) -> Response:
        given = dict(request.query_params)
        try:
            query = Query.of(given)
            after = _after(given.get("after", ""))
            plan = await self._work(lambda: self.searching.plan(query))
        except SocorpusError as error:
            sentence = str(error)
            query = Query.of({name: value[: queries.LONGEST] for name, value in given.items()})
            page = await self._work(lambda: self._shell(mode, query, None, sentence))
            return HTMLResponse(page, 400)
        voters = await self._work(lambda: self._voters(query))
        shell = self._shell(mode, query, plan, None, voters)
        head, _, tail = map(Markup, shell.partition("<!--results-->"))
        if mode == "disagree" and not query.first:
            return HTMLResponse(head + tail)
        return StreamingResponse(
            self._streamed(request, plan, after, mode, head, tail), media_type="text/html; charset=utf-8"
        )

    async def _streamed(
        self, request: Request, plan: CheckedQuery, after: After | None, mode: str, head: Markup, tail: Markup
    ) -> AsyncIterator[str]:
        columns = self._columns(plan, mode)
        loop = asyncio.get_running_loop()
        started, begun, shown = loop.time(), False, 0
        answer, rows = Answer(), Markup("")
        try:
            async for answer in self._steps(request, self.searching.steps(plan, after)):
                late = loop.time() - started > SECONDS_AT_ONCE
                if late and not begun:
                    begun = True
                    yield head + self._part("list_head.html", columns=columns, plan=plan, answer=None)
                if plan.order is None and len(answer.rows) > shown:
                    fresh, shown = answer.rows[shown:], len(answer.rows)
                    rows += await self._rows(plan, answer, fresh, mode)
                if begun:
                    yield rows + Markup(
                        '<template data-done="{:.4f}" data-hits="{}" data-looked="{}"></template>'
                    ).format(answer.done, answer.hits, answer.looked)
                    rows = Markup("")
            if plan.order is not None:
                rows += await self._rows(plan, answer, answer.rows, mode)
            error = None
        except SocorpusError as failure:
            error = str(failure)
        if not begun:
            yield head + self._part(
                "list_head.html", columns=columns, plan=plan, answer=answer if error is None else None
            )
        seconds = loop.time() - started
        following = self._next(plan.query, answer, mode) if error is None and answer.more else None
        matrix = _matrix(answer, plan.query) if answer.disagreement is not None and error is None else None
        yield rows + self._part(
            "list_tail.html",
            plan=plan,
            answer=answer,
            error=error,
            following=following,
            seconds=seconds,
            matrix=matrix,
            later=after is not None,
            query=plan.query,
            columns=columns,
        )
        yield tail

    def _shell(
        self,
        mode: str,
        query: Query,
        plan: CheckedQuery | None,
        error: str | None,
        voters: Mapping[str, int | None] | None = None,
    ) -> Markup:
        """The page around a list."""
        table = self.store.task_table(query.task) if query.task else ""
        task = self.opened.tasks.get(query.task)
        return self._part(
            "list.html",
            mode=mode,
            query=query,
            error=error,
            threshold=plan.threshold if plan is not None else None,
            task=task,
            task_table=table,
            voters=voters or {},
            sites=list(self.opened.facts["sites"]),
            tasks=self.opened.tasks,
            reasons=self.opened.facts["totals"]["dropped"],
            schemas=self.store.schemas,
            kept=KEPT,
            dropped=DROPPED,
            rows=self.store.rows,
        )

    def _part(self, template: str, **values: Any) -> Markup:
        """A template with its values, which it escapes."""
        return Markup(self._templates.get_template(template).render(corpus=self.opened.name, **values))

    def _voters(self, query: Query) -> dict[str, int | None]:
        if query.task not in self.opened.tasks:
            return {}
        return disagreements.voters(self.opened.facts, self.opened.root, query.task)

    def _columns(self, plan: CheckedQuery, mode: str) -> list[Column]:
        query = plan.query
        known = [("Post", ""), ("Kind", "documents.kind"), ("Score", "documents.score"), ("Words", "statistics.words")]
        known += [("Written", "documents.created"), ("Decision", "decisions.reason")]
        if query.task in self.opened.tasks:
            table = self.store.task_table(query.task)
            spans = self.opened.tasks[query.task].spans
            known.append((f"{query.task}", f"{table}.spans" if spans else f"{table}.label"))
            known.append(("Probability", f"{table}.probability"))
        if query.first:
            known += [(query.first, ""), (query.second, "")]
        if plan.threshold is not None:
            known += [(plan.threshold.value.rpartition(".")[2].strip('"')[:30], "")] if plan.threshold.number else []
            known.append(("Distance", ""))
        elif query.sort and query.sort not in dict(known).values():
            known.append((query.sort, query.sort))
        columns = []
        for head, sort in known:
            falls = not query.down if query.sort == sort else sort in _FALLING
            fresh = query.but(sort=sort, down="1" if falls else "", near="", threshold="")
            direction = ("descending" if query.down else "ascending") if sort and query.sort == sort else ""
            columns.append(Column(head, sort, _address(_path(mode), fresh.given) if sort else "", direction))
        return columns

    async def _rows(self, plan: CheckedQuery, answer: Answer, rows: list[int], mode: str) -> Markup:
        return await self._work(lambda: self._rows_of(plan, answer, rows, mode))

    def _rows_of(self, plan: CheckedQuery, answer: Answer, rows: list[int], mode: str) -> Markup:
        """Rows of a list as HTML."""
        if not rows:
            return Markup("")
        store, query = self.store, plan.query
        places = store.places(rows)
        values = {
            column: store.values(table, column, rows)
            for table, columns in _SHOWN.items()
            if table in store.schemas
            for column in columns
        }
        more: list[list[str]] = [[] for _ in rows]
        if query.task in self.opened.tasks:
            table = store.task_table(query.task)
            what = "spans" if self.opened.tasks[query.task].spans else "label"
            for cells, label, probability in zip(
                more, store.values(table, what, rows), store.values(table, "probability", rows), strict=True
            ):
                cells += ["–" if label is None else str(label), _number(probability)]
        if answer.disagreement is not None:
            for cells, row in zip(more, rows, strict=True):
                says = answer.disagreement.says.get(row, [])
                for side in (0, 1):
                    named = list(dict.fromkeys(pair[side] for pair in says))
                    cells.append(", ".join(named[:4]) + (", …" if len(named) > 4 else ""))
        if plan.threshold is not None and answer.values is not None:
            for cells, value, distance in zip(more, self._compared(plan, rows), answer.values, strict=True):
                cells += [*([_number(value)] if plan.threshold.number else []), _number(distance)]
        elif query.sort and query.sort not in _ALWAYS and not query.sort.startswith(f"{store.task_table(query.task)}."):
            table, _, column = query.sort.partition(".")
            for cells, value in zip(more, store.values(table, column, rows), strict=True):
                cells.append(_cell(value))
        titles = post_view.titles(store.tree, places)
        snippets = post_view.snippets(store.tree, places, query.text, bool(query.regex)) if query.text.strip() else {}
        lines = [
            {
                "key": place.key,
                "title": titles.get(place.key, ""),
                "snippet": snippets.get(place.key),
                "more": cells,
                **{name: column[number] for name, column in values.items()},
            }
            for number, (place, cells) in enumerate(zip(places, more, strict=True))
        ]
        heads = [column.head for column in self._columns(plan, mode)][6:]
        passed = {"text": query.text} if query.text.strip() and not query.regex else {}
        return self._part("list_rows.html", lines=lines, heads=heads, passed=passed)

    def _compared(self, plan: CheckedQuery, rows: list[int]) -> list[Any]:
        """The values that a threshold is compared with, where it is a column's; else nothing."""
        assert plan.threshold is not None and plan.order is not None
        ((table, columns), *others) = plan.order.read.columns.items()
        plain = plan.threshold.value.replace('"', "") in (columns[0], f"{table}.{columns[0]}")
        return self.store.values(table, columns[0], rows) if plain and not others else [None] * len(rows)

    def _next(self, query: Query, answer: Answer, mode: str) -> str:
        return _address(_path(mode), {**query.given, "after": json.dumps(answer.after)})

    async def post(self, request: Request) -> Response:
        """A post."""
        given = request.query_params
        view = await self._work(
            lambda: post_view.view(
                *(self.opened.root, self.store, self.opened.facts, self.opened.tasks, given.get("key", "")),
                reveal=given.get("reveal") == "1",
                twin=given.get("twin", ""),
                text=given.get("text", "")[: queries.LONGEST],
            )
        )
        return HTMLResponse(self._part("post.html", view=view, text=given.get("text", "")))

    async def nearest(self, _: Request) -> Response:
        """The thresholds, whose nearest posts can be listed."""
        return HTMLResponse(self._part("nearest.html", thresholds=self.searching.thresholds))

    async def saved(self, request: Request) -> Response:
        """The saved queries."""
        known = await self._work(lambda: saved_queries.described(self.opened.root, self.store))
        page = self._part(
            "saved.html",
            saved=known,
            fresh=request.query_params.get("name", ""),
            root=str(self.opened.root),
            tasks=list(self.opened.tasks),
        )
        return HTMLResponse(page)

    async def save(self, request: Request) -> Response:
        """Save a query."""
        form = await _form(request)
        query, name = Query.of(form), form.get("name", "").strip()

        def save() -> None:
            self.searching.plan(query)
            saved_queries.save(self.opened.root, name, query, self.store)

        await self._work(save)
        return RedirectResponse(_address("/saved", {"name": name}) + f"#{name}", 303)

    async def remove(self, request: Request) -> Response:
        """Remove a saved query."""
        form = await _form(request)
        await self._work(lambda: saved_queries.remove(self.opened.root, form.get("name", "")))
        return RedirectResponse("/saved", 303)

    async def static(self, request: Request) -> Response:
        """The style and the script."""
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(404)
        return FileResponse(_HERE / name, media_type=_STATIC[name])

    # --- what goes wrong ---------------------------------------------------------------------------------------------

    async def failed(self, _: Request, error: Exception) -> Response:
        """A sentence on what is wrong with what was asked."""
        return HTMLResponse(
            self._part("error.html", sentence=str(error)), 400 if isinstance(error, InputError) else 500
        )

    async def refused(self, _: Request, error: Exception) -> Response:
        """A page that is not there, or takes no such request."""
        assert isinstance(error, HTTPException)
        return HTMLResponse(self._part("error.html", sentence="there is no such page"), error.status_code)

    async def broken(self, _: Request, error: Exception) -> Response:
        """A bug."""
        sentence = f"the workbench failed: {type(error).__name__}; its terminal says how"
        return HTMLResponse(self._part("error.html", sentence=sentence), 500)


_FALLING = ("documents.score", "statistics.words", "documents.created")
"""Columns of which a first click on the heading shows the largest first."""
_ALWAYS = ("documents.kind", "documents.score", "statistics.words", "documents.created", "decisions.reason")


def _path(mode: str) -> str:
    return "/disagree" if mode == "disagree" else "/"


def _address(path: str, values: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(values)}" if values else path


def _after(text: str) -> After | None:
    """Behind which a page begins, from its address."""
    if not text:
        return None
    try:
        value, row = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        value, row = [], None
    if not isinstance(value, int | float | str | None) or not isinstance(row, int) or not 0 <= row < 1 << 31:
        raise InputError("after: not a place in a list; begin with its first page")
    return value, row


def _matrix(answer: Answer, query: Query) -> dict[str, Any]:
    """How often two say what, as a table of their labels."""
    assert answer.disagreement is not None
    pairs = answer.disagreement.pairs
    rows, columns = (sorted({pair[side] for pair in pairs}) for side in (0, 1))
    cells = [
        [
            (pairs[row, column], _address("/disagree", query.but(first_label=row, second_label=column).given))
            for column in columns
        ]
        for row in rows
    ]
    most = max(pairs.values(), default=1)
    return {
        "columns": columns,
        "rows": list(zip(rows, cells, strict=True)),
        "most": most,
        "sum": pairs.total(),
        "both": answer.disagreement.both,
        "whole": _address("/disagree", query.but(first_label="", second_label="").given),
    }


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    from urllib.parse import parse_qsl

    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise InputError("a form of the workbench is expected")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY:
            raise InputError(f"a form of at most {_BODY:,} bytes is expected")
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}".rstrip("0").rstrip(".")


def _day(value: Any) -> str:
    if isinstance(value, int | float):
        value = datetime.fromtimestamp(value / 1000, UTC)
    return "–" if value is None else f"{value:%Y-%m-%d}"


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return _day(value)
    return str(value) if isinstance(value, str | bool) else _number(value)
