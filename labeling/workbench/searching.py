"""Answers to queries, in steps: short ones, so that a search shows its first hits early, and ends when nobody waits.

DuckDB evaluates every condition and sorts, on tables in memory; it reaches nothing else (`locked_database`). Conditions
on columns that are held are evaluated on all rows at once, and remembered. Then what reads texts goes through the row
groups that have candidates. A page of a list begins behind the last row of the page before, by the value that it is
sorted by and its number (keyset), so that a late page costs what the first does.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from socorpus.corpus.engine import machine
from socorpus.corpus.errors import InputError
from socorpus.corpus.selection import expressions
from socorpus.corpus.selection.expressions import Expression, ExpressionError
from socorpus.labeling.schema import Task
from socorpus.labeling.workbench import disagreements, queries, thresholds
from socorpus.labeling.workbench.column_store import Block, ColumnStore, Mask
from socorpus.labeling.workbench.disagreements import Disagreement
from socorpus.labeling.workbench.queries import Condition, Query
from socorpus.labeling.workbench.thresholds import Threshold

PAGE = 50
SECONDS = 30.0
"""Longest time of one evaluation by DuckDB."""
_REMEMBERED = 32
"""Masks of conditions; each has a byte a row."""
After = tuple[Any, int]
"""The value that a list is sorted by, and the row, behind which a page begins."""


@dataclass
class Answer:
    """An answer so far.

    Attributes:
        rows: of the documents, those of the page, in order. Those of a search in the order of the corpus come step by
            step, others at the end.
        values: by which they are sorted; None in the order of the corpus.
        done: how far the search is, from 0 to 1.
        looked: rows that were looked at.
        hits: rows that fit, as far as is known.
        whole: whether `hits` is the number of all.
        more: whether there is a next page.
        disagreement: of two functions, where the query names them.
    """

    rows: list[int] = field(default_factory=list)
    values: list[Any] | None = None
    done: float = 0.0
    looked: int = 0
    hits: int = 0
    whole: bool = False
    more: bool = False
    disagreement: Disagreement | None = None

    @property
    def after(self) -> After:
        """Behind which the next page begins."""
        return (self.values[-1] if self.values else None, self.rows[-1])


@dataclass(frozen=True)
class _Order:
    """What a list is sorted by: an expression of the columns `read`; `down`: the largest first."""

    value: str
    read: Expression
    down: bool


@dataclass(frozen=True)
class CheckedQuery:
    """A query that was checked: conditions on columns that are held, those that read texts, and the order."""

    query: Query
    narrow: tuple[tuple[Condition, Expression | None], ...]
    wide: tuple[tuple[Condition, Expression], ...]
    order: _Order | None
    threshold: Threshold | None


class Searching:
    """A corpus that answers queries, one at a time.

    Args:
        root: of the corpus, where votes of people lie.
        facts: its manifest.
        tasks: those that it has labels of, by name.
    """

    def __init__(self, root: Path, store: ColumnStore, facts: Mapping[str, Any], tasks: Mapping[str, Task]) -> None:
        self.root, self.store, self.facts, self.tasks = root, store, facts, tasks
        self.thresholds = thresholds.of_corpus(facts, store)
        self._database = expressions.locked_database(machine.cores())
        self._masks: OrderedDict[object, Mask] = OrderedDict()
        self._cursor: Any = None
        self._stopped = threading.Event()
        self._place = pa.chunked_array(
            [pa.array(np.arange(a, min(a + 122_880, store.rows)), pa.int32()) for a in range(0, store.rows, 122_880)],
            pa.int32(),
        )

    # --- checking ----------------------------------------------------------------------------------------------------

    def plan(self, query: Query) -> CheckedQuery:
        """Check a query.

        Raises:
            InputError: names the field and what is wrong.
        """
        narrow: list[tuple[Condition, Expression | None]] = []
        wide: list[tuple[Condition, Expression]] = []
        every = queries.conditions(query, self.store)
        search = queries.text_condition(query)
        for condition in (*every, *([search] if search is not None else [])):
            if condition.field in ("site", "tag"):
                narrow.append((condition, None))
                continue
            expression = self._checked(condition)
            read = expression.columns
            texts = any(self.store.is_wide(table, column) for table, of in read.items() for column in of)
            if texts or not self.store.fits(read):
                wide.append((condition, expression))
            else:
                narrow.append((condition, expression))
        narrow = _joined(narrow)
        order, threshold = self._order(query)
        if threshold is not None and order is not None:
            # What has no value is near nothing.
            condition = Condition("near", f"({threshold.value}) IS NOT NULL")
            narrow.append((condition, Expression(condition.text, order.read.columns)))
        return CheckedQuery(query, tuple(narrow), tuple(wide), order, threshold)

    def _checked(self, condition: Condition) -> Expression:
        schemas = [self.store.schemas]
        if condition.field == "where":  # what rules may read has a meaning of its own, which no label's column changes
            schemas.insert(0, self.store.of_rules)
        for number, known in enumerate(schemas):
            try:
                return expressions.check(condition.text, known)
            except ExpressionError as error:
                if number == len(schemas) - 1:
                    raise InputError(f"{condition.field}: {error}") from None
        raise AssertionError

    def _order(self, query: Query) -> tuple[_Order | None, Threshold | None]:
        if query.near:
            threshold, read = thresholds.chosen(query, self.thresholds, self.store)
            value = f"abs(({threshold.value}) - ({threshold.number!r}::DOUBLE))"
            return _Order(value, read, down=False), threshold
        if not query.sort:
            return None, None
        table, _, column = query.sort.partition(".")
        if table not in self.store.schemas or column not in self.store.schemas[table].names:
            raise InputError(f"sort: the corpus has no column {query.sort[:60]!r}")
        kind = self.store.schemas[table].field(column).type
        if self.store.is_wide(table, column) or pa.types.is_nested(kind):
            raise InputError(f"sort: {query.sort} is a column of texts or lists, by which a list can't be sorted")
        value = f'"{table}"."{column}"'
        if pa.types.is_timestamp(kind):
            value = f"epoch_ms({value})"
        elif pa.types.is_boolean(kind):
            value = f"{value}::INTEGER"
        return _Order(value, Expression(value, {table: (column,)}), bool(query.down)), None

    # --- answering ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End the step that is under way, from another thread."""
        self._stopped.set()
        if (cursor := self._cursor) is not None:
            cursor.interrupt()

    def steps(self, plan: CheckedQuery, after: After | None = None, most: int = PAGE) -> Iterator[Answer]:
        """The answer to a query, as far as it is known; the last is the whole page.

        Args:
            after: behind which the page begins.
            most: rows of a page.

        Raises:
            InputError: an expression fails on a value, takes too much memory or too long; or it was stopped.
        """
        answer = Answer()
        mask: Mask | None = None
        for step in self._narrowed(plan, answer):
            mask = step
            yield answer
        mask = np.ones(self.store.rows, bool) if mask is None else mask
        if plan.wide:
            whole = self._masks.get(_key(plan))
            if whole is None and plan.order is None:
                yield from self._in_order(plan, mask, after, most, answer)
                return
            if whole is None:
                whole = np.zeros(self.store.rows, bool)
                for rows in self._reading(plan, mask, answer):
                    whole[rows] = True
                    yield answer
                self._remember(_key(plan), whole)
            mask = whole
        yield from self._page(plan, mask, after, most, answer)

    def _narrowed(self, plan: CheckedQuery, answer: Answer) -> Iterator[Mask | None]:
        """Evaluate what needs no texts; the last is the mask of the rows that are left (None: all)."""
        mask: Mask | None = None
        for condition, expression in plan.narrow:
            key = (condition.field, condition.text)
            known = self._masks.get(key)
            if known is None:
                wanted = (
                    {"documents": ["tags"]} if condition.field == "tag" else expression.columns if expression else {}
                )
                for done in self.store.loading(wanted):
                    answer.done = 0.1 * done
                    yield mask
                known = self._of_condition(plan.query, condition, expression)
                self._remember(key, known)
            else:
                self._masks.move_to_end(key)
            mask = known if mask is None else mask & known
            yield mask
        if plan.query.first:
            query = plan.query
            task, labels = self.tasks[query.task], (query.first_label, query.second_label)
            comparing = disagreements.compare(self.store, self.root, task, query.first, query.second, labels)
            for done, answer.disagreement in comparing:
                answer.done = 0.1 + 0.8 * done
                yield mask
            assert answer.disagreement is not None
            differing = disagreements.mask(answer.disagreement.rows, self.store.rows)
            mask = differing if mask is None else mask & differing
            yield mask

    def _of_condition(self, query: Query, condition: Condition, expression: Expression | None) -> Mask:
        if expression is None:
            return self.store.of_site(query.site) if condition.field == "site" else self.store.tagged(query.tag)
        return self._evaluated(condition.field, expression, self.store.tables(expression.columns))

    def _evaluated(self, field: str, expression: Expression, tables: Mapping[str, pa.Table]) -> Mask:
        holds = self._asked(field, expressions.query(expression.text, list(tables)), tables)["holds"]
        return np.asarray(holds.fill_null(False).to_numpy(), bool)

    def _asked(self, field: str, sql: str, tables: Mapping[str, pa.Table], given: list[Any] | None = None) -> pa.Table:
        """The answer of DuckDB to a query over some tables."""
        self._stopped.clear()
        cursor = self._cursor = self._database.cursor()
        late = threading.Timer(SECONDS, cursor.interrupt)
        late.start()
        try:
            with expressions.bounded():
                for name, table in tables.items():
                    cursor.register(name, table)
                return cursor.sql(sql, params=given or None).to_arrow_table()
        except ExpressionError as error:
            if "interrupt" in str(error).lower():
                why = "nobody waits for it" if self._stopped.is_set() else f"it took more than {SECONDS:g} s"
                raise InputError(f"{field}: stopped, since {why}") from None
            raise InputError(f"{field}: {error}") from None
        finally:
            late.cancel()
            self._cursor = None
            cursor.close()

    def _reading(self, plan: CheckedQuery, mask: Mask, answer: Answer, first: int = 0) -> Iterator[list[int]]:
        """Go through the texts of the rows of a mask, block by block; gives the rows of each that fit.

        The next block is read while this one is looked at.
        """
        mask = mask.copy()
        mask[:first] = False
        wanted = _texts_of(plan, self.store)
        candidates = max(1, int(mask.sum()))
        seen = 0
        with ThreadPoolExecutor(1) as pool:
            ahead: tuple[Block, Future[dict[str, pa.Table]]] | None = None
            for block in (*self.store.blocks(mask), None):
                reading = None if block is None else (block, pool.submit(self.store.read_block, block, wanted))
                if ahead is not None:
                    here, future = ahead
                    rows = self._of_block(plan, mask, here, future.result())
                    seen += int(mask[here.start : here.stop].sum())
                    answer.hits += len(rows)
                    answer.looked, answer.done = seen, seen / candidates
                    yield rows
                ahead = reading

    def _of_block(self, plan: CheckedQuery, mask: Mask, block: Block, wide: Mapping[str, pa.Table]) -> list[int]:
        holds = mask[block.start : block.stop].copy()
        for condition, expression in plan.wide:
            tables: dict[str, pa.Table] = {}
            for table, columns in expression.columns.items():
                held = [
                    column for column in columns if column not in (wide[table].column_names if table in wide else ())
                ]
                of = self.store.tables({table: held}, block.start, block.stop)[table] if held else None
                parts = [part for part in (of, wide.get(table)) if part is not None]
                tables[table] = pa.table({name: part[name] for part in parts for name in part.column_names}).select(
                    columns
                )
            # Only of the candidates: a narrow condition may be there to keep values away on which this one fails.
            chosen = np.flatnonzero(holds)
            if not len(chosen):
                break
            tables = {name: table.take(pa.array(chosen)) for name, table in tables.items()}
            holds[chosen] = self._evaluated(condition.field, expression, tables)
        return (block.start + np.flatnonzero(holds)).tolist()

    def _in_order(
        self, plan: CheckedQuery, mask: Mask, after: After | None, most: int, answer: Answer
    ) -> Iterator[Answer]:
        first = 0 if after is None else after[1] + 1
        for rows in self._reading(plan, mask, answer, first):
            answer.rows += rows
            if len(answer.rows) > most:
                answer.rows, answer.more = answer.rows[:most], True
                yield answer
                return
            yield answer
        answer.done, answer.whole = 1.0, after is None
        yield answer

    def _page(self, plan: CheckedQuery, mask: Mask, after: After | None, most: int, answer: Answer) -> Iterator[Answer]:
        answer.hits, answer.whole, answer.looked = int(mask.sum()), True, self.store.rows
        if plan.order is None:
            first = 0 if after is None else after[1] + 1
            rows = first + np.flatnonzero(mask[first:])[: most + 1] if after else np.flatnonzero(mask)[: most + 1]
            answer.rows = rows.tolist()
        else:
            for done in self.store.loading(plan.order.read.columns):
                answer.done = 0.9 + 0.1 * done
                yield answer
            answer.rows, answer.values = self._sorted(plan.order, mask, after, most + 1)
        answer.more = len(answer.rows) > most
        answer.rows = answer.rows[:most]
        answer.values = answer.values[:most] if answer.values is not None else None
        answer.done = 1.0
        yield answer

    def _sorted(self, order: _Order, mask: Mask, after: After | None, most: int) -> tuple[list[int], list[Any]]:
        names = ("#rows", *order.read.columns)
        tables = {"#rows": pa.table({"#row": self._place, "#holds": pa.array(mask)})}
        tables |= self.store.tables(order.read.columns)
        source = " POSITIONAL JOIN ".join(f'"{name}"' for name in names)
        behind, given = "", []
        if after is not None and after[0] is None:
            behind, given = 'AND "#key" IS NULL AND "#row" > ?', [after[1]]
        elif after is not None:
            sign = "<" if order.down else ">"
            behind = f'AND ("#key" IS NULL OR "#key" {sign} ? OR ("#key" = ? AND "#row" > ?))'
            given = [after[0], after[0], after[1]]
        sql = (
            f'SELECT "#row", "#key" FROM (SELECT "#row", "#holds", {order.value} AS "#key" FROM {source}) '
            f'WHERE "#holds" {behind} ORDER BY "#key" {"DESC" if order.down else "ASC"} NULLS LAST, "#row" LIMIT {most}'
        )
        page = self._asked("sort", sql, tables, given)
        return page["#row"].to_pylist(), page["#key"].to_pylist()

    def _remember(self, key: object, mask: Mask) -> None:
        self._masks[key] = mask
        while len(self._masks) > _REMEMBERED:
            self._masks.popitem(last=False)

    def keys(self, query: Query, most: int, task: str = "", without: frozenset[str] = frozenset()) -> list[str]:
        """Keys of the posts of a query, in its order.

        Args:
            most: number of them.
            task: only posts that are examples of this task, if it is given.
            without: keys that are left out.

        Raises:
            InputError: as of `plan` and `steps`.
        """
        plan = self.plan(query)
        if task:
            condition = Condition("task", f"{self.store.task_table(task)}.example")
            plan = CheckedQuery(query, (*plan.narrow, (condition, self._checked(condition))), plan.wide, *_rest(plan))
        chosen: list[str] = []
        after: After | None = None
        while len(chosen) < most:
            *_, answer = self.steps(plan, after, max(PAGE, most))
            keys = (place.key for place in self.store.places(answer.rows))
            chosen += [key for key in keys if key not in without]
            if not answer.more:
                break
            after = answer.after
        return chosen[:most]


_ALONE = ("where", "site", "tag")


def _joined(conditions: list[tuple[Condition, Expression | None]]) -> list[tuple[Condition, Expression | None]]:
    """Conditions of which those of plain fields, whose columns are all written with their tables, are one."""
    alone = [(condition, expression) for condition, expression in conditions if condition.field in _ALONE]
    fields = [(condition, expression) for condition, expression in conditions if condition.field not in _ALONE]
    if len(fields) < 2:
        return [*alone, *fields]
    text = " AND ".join(f"({condition.text})" for condition, _ in fields)
    columns: dict[str, list[str]] = {}
    for _, expression in fields:
        for table, of in expression.columns.items() if expression is not None else ():
            columns.setdefault(table, []).extend(of)
    read = {table: tuple(dict.fromkeys(of)) for table, of in columns.items()}
    return [*alone, (Condition("filters", text), Expression(text, read))]


def _rest(plan: CheckedQuery) -> tuple[_Order | None, Threshold | None]:
    return plan.order, plan.threshold


def _key(plan: CheckedQuery) -> object:
    """What the mask of all conditions depends on."""
    return (
        *(condition for condition, _ in (*plan.narrow, *plan.wide)),
        plan.query.first and tuple(plan.query.given.items()),
    )


def _texts_of(plan: CheckedQuery, store: ColumnStore) -> dict[str, list[str]]:
    """The columns that the conditions read block by block."""
    wanted: dict[str, list[str]] = {}
    for _, expression in plan.wide:
        held = store.fits({t: [c for c in of if not store.is_wide(t, c)] for t, of in expression.columns.items()})
        for table, columns in expression.columns.items():
            for column in columns:
                if (store.is_wide(table, column) or not held) and column not in wanted.setdefault(table, []):
                    wanted[table].append(column)
    return {table: columns for table, columns in wanted.items() if columns}
