"""Boolean expressions over the columns of documents and signals, evaluated by DuckDB on Arrow tables.

An expression is one scalar expression of DuckDB's SQL: `chars > 150`, `statistics.chars > 150` where a name is not
unique, `language.probability < 0.5 AND score < 0`. DuckDB parses it, and its syntax tree shows which columns it reads;
names are those of SQL, without regard to case.
Subqueries, aggregates, windows, and functions that do not always return the same (`random`, `now`) are refused: a
build would depend on more than its documents. The connection can reach no file and no network.
"""

import contextlib
import difflib
import functools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from socorpus.corpus.selection import memory_limit

if TYPE_CHECKING:
    import duckdb

Tables = Mapping[str, pa.Table]
"""Tables by name, row for row."""


class ExpressionError(Exception):
    """An expression is wrong; the text is a sentence that says why."""


class MemoryLimitError(ExpressionError):
    """An expression takes more than `MOST_MEMORY`, which says nothing of a single document."""

    def __init__(self) -> None:
        super().__init__(
            f"takes more than {MOST_MEMORY >> 30} GB of memory: write it without the long texts or lists that it "
            "makes, such as by repeat, lpad, range or ||"
        )


MOST_MEMORY = 1 << 30
"""Bytes that the evaluation of an expression may take."""


@dataclass(frozen=True)
class Expression:
    """An expression that was checked.

    Attributes:
        text: as it was written.
        columns: columns that it reads, by table.
    """

    text: str
    columns: Mapping[str, tuple[str, ...]]


def check(text: str, schemas: Mapping[str, pa.Schema]) -> Expression:
    """Check an expression against the tables' columns, without any row.

    Args:
        schemas: of the tables by name. Where two tables share a column's name, it must be written `TABLE.COLUMN`.

    Raises:
        ExpressionError: it is not one boolean expression, names a column that is not there, fails whatever the
            document, takes text for a number or a date, or is refused.
    """
    return _check(text, tuple(schemas.items()))


@functools.lru_cache(maxsize=256)  # a worker asks again for each of its buckets
def _check(text: str, tables: tuple[tuple[str, pa.Schema], ...]) -> Expression:
    schemas = dict(tables)
    try:
        node = _parsed(text)
        for part in _nodes(node):
            _refuse(part)
    except RecursionError:
        raise ExpressionError("is nested too deeply; write several rules") from None
    columns = _columns(node, schemas)
    empty = {name: schemas[name].empty_table().select(names) for name, names in columns.items()}
    kind = _run(text, empty).schema.field(0).type
    if not pa.types.is_boolean(kind):
        raise ExpressionError(f"is {kind}, not true or false")
    _check_casts(text, node, empty)
    _check_on_made_up_rows(text, empty)
    return Expression(text, columns)


def evaluate(expression: Expression, tables: Tables) -> npt.NDArray[np.bool_]:
    """The rows where an expression holds, bool[rows]; unknown (null) does not hold.

    Args:
        tables: those of `expression.columns`, n rows each, in the same order.

    Raises:
        ExpressionError: it fails on a value, such as a text that is no number.
        MemoryLimitError: it takes too much memory.
    """
    read = {name: tables[name].select(names) for name, names in expression.columns.items()}
    try:
        column = _run(expression.text, read)
    except MemoryLimitError:
        raise
    except ExpressionError as error:
        # DuckDB quotes the value at fault, which may be a text with personal data.
        raise ExpressionError(re.split("['\"]", str(error))[0].rstrip() + " …") from None
    rows = next(iter(read.values())).num_rows
    if column.num_rows != rows:
        raise ExpressionError(f"answers {column.num_rows} rows for {rows} documents")
    return np.asarray(column["holds"].fill_null(False).combine_chunks().to_numpy(zero_copy_only=False), bool)


@functools.cache
def _database() -> "duckdb.DuckDBPyConnection":
    """This process's database for expressions."""
    return locked_database(1)


def locked_database(threads: int) -> "duckdb.DuckDBPyConnection":
    """A new database in memory, with everything outside of it out of reach, and its settings locked."""
    import duckdb  # by builds with rules of their own only: it takes 50 ms in every worker

    settings: dict[str, Any] = {
        "threads": threads,
        "memory_limit": f"{MOST_MEMORY >> 20}MiB",
        "temp_directory": "",  # nothing is written to the disk when memory is short
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
    }
    database = duckdb.connect(":memory:", config=settings)
    database.execute("SET enable_external_access = false")  # behind which the temporary folder can't be set
    database.execute("SET TimeZone = 'UTC'")  # or years and dates would be those of the machine
    database.execute("SET lock_configuration = true")
    return database


def _parsed(text: str) -> Mapping[str, Any]:
    """The syntax tree of an expression; refuses more than one."""
    ((answer,),) = _database().execute("SELECT json_serialize_sql(?)", [f"SELECT {text}\n"]).fetchall()
    parsed = json.loads(answer)
    if parsed.get("error"):
        what = str(parsed.get("error_message", "")).partition("\n")[0]
        raise ExpressionError(f"not an expression of DuckDB: {what}")
    statements = parsed["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    plain = (
        node.get("type") == "SELECT_NODE"
        and len(node["select_list"]) == 1
        and node["from_table"]["type"] == "EMPTY"
        and not node["modifiers"]
        and not any(node.get(clause) for clause in ("where_clause", "having", "qualify", "sample", "group_expressions"))
        and not node["cte_map"]["map"]
    )
    if not plain:
        raise ExpressionError("not one expression: write what stands after WHERE, without SELECT, FROM or ;")
    expression: Mapping[str, Any] = node["select_list"][0]
    return expression


@dataclass(frozen=True)
class Comparison:
    """A comparison of a value with a number that an expression holds: `text` is the value, `threshold` the number."""

    text: str
    threshold: float


def comparisons(text: str) -> list[Comparison]:
    """The comparisons of an expression with a number, such as both of `words < 9 OR code_share > 0.8`, in order.

    Raises:
        ExpressionError: it is not one expression.
    """
    thresholds = []
    for node in _nodes(_parsed(text)):
        if node["class"] == "COMPARISON":
            for value, other in ((node["left"], node["right"]), (node["right"], node["left"])):
                if _number(value) is None and (number := _number(other)) is not None:
                    thresholds.append(Comparison(_written(value), number))
    return thresholds


def _number(node: Any) -> float | None:
    """The number that a node stands for; a minus before it is a function in DuckDB's tree."""
    if node["class"] == "CONSTANT" and node["literal"]["kind"] in ("INTEGER", "NUMERIC", "FLOAT"):
        return float(node["literal"]["text"])
    if node["class"] == "FUNCTION" and node["function_name"] == "-" and len(node["children"]) == 1:
        number = _number(node["children"][0])
        return None if number is None else -number
    return None


def _written(node: Mapping[str, Any]) -> str:
    """A part of a syntax tree as text."""
    ((answer,),) = _database().execute("SELECT json_serialize_sql('SELECT 1')").fetchall()
    whole = json.loads(answer)
    whole["statements"][0]["node"]["select_list"] = [node]
    ((written,),) = _database().execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(whole)]).fetchall()
    return str(written).removeprefix("SELECT ").rstrip(";")


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)


_REFUSED = {
    "SUBQUERY": "a subquery",
    "WINDOW": "a window function",
    "PARAMETER": "a parameter",
    "STAR": "a star",
    "POSITIONAL_REFERENCE": "a column's number",
    "DEFAULT": "DEFAULT",
}


def _refuse(node: Mapping[str, Any]) -> None:
    if node["class"] in _REFUSED:
        raise ExpressionError(f"{_REFUSED[node['class']]} can not be used: an expression sees one document at a time")
    if node["class"] != "FUNCTION":
        return
    name = node["function_name"]
    kinds, stable = _functions().get(name, (set(), True))
    if kinds & {"aggregate"} and not kinds & {"scalar", "macro"}:
        raise ExpressionError(f"{name} looks at many rows: an expression sees one document at a time")
    if (kinds & {"table", "table_macro", "pragma"} and not kinds & {"scalar", "macro"}) or name == "unnest":
        raise ExpressionError(f"{name} makes rows: an expression sees one document at a time")
    if "macro" in kinds:
        _refuse_macro(name)
    if not stable:
        raise _differs(name)


def _differs(name: str) -> ExpressionError:
    clock = re.search("date|time|now|today|age", name, re.IGNORECASE)
    instead = "; name a date instead, such as DATE '2020-01-31'" if clock else ""
    return ExpressionError(f"{name} does not always answer the same, so builds would differ{instead}")


def _refuse_macro(name: str) -> None:
    """Hold what a macro of DuckDB stands for to the same rules."""
    rows = _database().execute(
        "SELECT macro_definition FROM duckdb_functions() WHERE function_name = ? AND function_type = 'macro'", [name]
    )
    for (definition,) in rows.fetchall():
        for part in _nodes(_parsed(definition)):
            if part["class"] != "FUNCTION" or part["function_name"] != name:
                try:
                    _refuse(part)
                except ExpressionError as error:
                    raise ExpressionError(f"{name} can not be used: {error}") from None


_UNSTABLE = (
    "age",
    "current_catalog",
    "current_database",
    "current_date",
    "current_query",
    "current_role",
    "current_schema",
    "current_schemas",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "user",
    "version",
)
"""Functions that depend on the clock (`age` of one date), the user or the connection, whatever DuckDB says of them. SQL
writes some of them without parentheses, like columns."""


@functools.cache
def _functions() -> dict[str, tuple[set[str], bool]]:
    """Name of each function of DuckDB -> its kinds, and whether it always returns the same.

    Functions of a time with a time zone count as unstable in DuckDB, since they go by the connection's zone; that is
    UTC here, so one stable form is enough.
    """
    rows = _database().execute(
        "SELECT function_name, function_type, stability, macro_definition FROM duckdb_functions()"
    )
    functions: dict[str, tuple[set[str], bool]] = {}
    for name, kind, stability, definition in rows.fetchall():
        # Macros have no stability of their own; those over the clock or chance name what they call.
        clock = any(word in (definition or "") for word in ("random(", "now(", "current_", "get_current", "nextval("))
        stable = stability not in ("VOLATILE", "CONSISTENT_WITHIN_QUERY") and not clock
        kinds, before = functions.get(name, (set(), False))
        functions[name] = (kinds | {kind}, before or stable)
    return functions | {name: ({"scalar"}, False) for name in _UNSTABLE}


def _columns(node: Mapping[str, Any], schemas: Mapping[str, pa.Schema]) -> dict[str, tuple[str, ...]]:
    """Columns that a syntax tree reads, by table; parameters of lambda functions are none."""
    every = {column.lower() for schema in schemas.values() for column in schema.names}
    for part in _nodes(node):
        if part["class"] == "LAMBDA" and part["syntax_type"] != "LAMBDA_KEYWORD" and not _parameters(part) <= every:
            raise ExpressionError("x -> … is no longer DuckDB's form of a function: write lambda x: …")
    by_table: dict[str, list[str]] = {}
    for names, parameters in _references(node, frozenset()):
        place = _place(names, parameters, schemas)
        if place is not None and place[1] not in by_table.setdefault(place[0], []):
            by_table[place[0]].append(place[1])
    if not by_table:
        raise ExpressionError("reads no column, so it says the same of every document")
    return {table: tuple(by_table[table]) for table in schemas if table in by_table}


def _references(node: Any, parameters: frozenset[str]) -> Iterator[tuple[list[str], frozenset[str]]]:
    """Names that stand for values, each with the parameters of the lambda functions that it stands in."""
    if isinstance(node, list):
        for value in node:
            yield from _references(value, parameters)
    if not isinstance(node, dict):
        return
    kind = node.get("class")
    if kind == "LAMBDA" and node["syntax_type"] == "LAMBDA_KEYWORD":
        yield from _references(node["expr"], parameters | _parameters(node))
        return
    if kind == "COLUMN_REF":
        yield node["column_names"], parameters
    elif kind == "FUNCTION" and node["schema"] and node["schema"].lower() not in ("main", "pg_catalog"):
        yield [name for name in (node["catalog"], node["schema"]) if name], parameters  # title.upper()
    for value in node.values():
        yield from _references(value, parameters)


def _parameters(function: Mapping[str, Any]) -> set[str]:
    """Names of a lambda function's parameters, in small letters."""
    return {side["column_names"][0].lower() for side in _nodes(function["lhs"]) if side["class"] == "COLUMN_REF"}


def _place(names: list[str], parameters: frozenset[str], schemas: Mapping[str, pa.Schema]) -> tuple[str, str] | None:
    """Table and column of a name; None for a parameter, which hides a column but not TABLE.COLUMN."""
    first, *more = (name.lower() for name in names)
    tables = {table.lower(): table for table in schemas}
    columns = {table: {column.lower(): column for column in schema.names} for table, schema in schemas.items()}
    if more and first in tables:
        table = tables[first]
        if more[0] in columns[table]:
            return table, columns[table][more[0]]
        if first not in parameters:
            raise ExpressionError(f"{table} has no column {names[1]}; it has {', '.join(schemas[table].names)}")
    if first in parameters:
        return None
    having = [(table, own[first]) for table, own in columns.items() if first in own]
    if more and not having:
        near = difflib.get_close_matches(first, tables, 1)
        known = f"did you mean {tables[near[0]]}.{names[1]}?" if near else f"the tables are {', '.join(schemas)}"
        raise ExpressionError(f"there is no table {names[0]}, as in {names[0]}.{names[1]}; {known}")
    if not having:
        if not more and not _functions().get(first, (set(), True))[1]:
            raise _differs(names[0])
        every = sorted({column for schema in schemas.values() for column in schema.names})
        near = difflib.get_close_matches(first, every, 1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(every)}"
        raise ExpressionError(f"there is no column {names[0]} of documents or signals; {known}")
    if len(having) > 1:
        choices = " or ".join(f"{table}.{column}" for table, column in having)
        raise ExpressionError(f"{names[0]} is a column of {len(having)} tables: write {choices}")
    return having[0]


_VALUE_TYPES = re.compile("U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL|BOOLEAN|DATE|TIME.*|INTERVAL")
"""DuckDB's types that are not every text's: numbers, dates, truth."""


def _check_casts(text: str, node: Mapping[str, Any], empty: Tables) -> None:
    """Refuse constants that are not of the type that DuckDB gives them, and columns of text that it takes for numbers.

    DuckDB casts both silently, and a comparison in a branch that few documents reach would fail late.
    """
    plan = _plan(query(text, empty), empty)
    written = {part["query_location"] + len("(") for part in _nodes(node) if part["class"] == "CAST"}
    for cast in _casts(plan):
        child, target = cast["children"][0], cast["return_type"]["id"]
        source = (child.get("return_type") or child.get("value", {}).get("type") or {}).get("id")
        if source != "VARCHAR" or not _VALUE_TYPES.fullmatch(target):
            continue
        place = cast["query_location"]
        if child["expression_class"] == "BOUND_CONSTANT":
            _check_constant(child["value"].get("value"), target)
        elif place not in written:
            part = query(text, empty).encode()[place : place + cast["query_location_length"]].decode(errors="replace")
            # Of tags[1] DuckDB gives the place of [1] only.
            named = f"{part}, which is text," if re.fullmatch(r"[\w.]+", part) else "a text"
            raise ExpressionError(
                f"takes {named} for {target}, and would fail on any other text: put the other side in quotes, or write "
                f"TRY_CAST(… AS {target})"
            )


def _check_constant(value: str | None, target: str) -> None:
    with bounded():
        _database().execute(f"SELECT CAST(? AS {target})", [value]).fetchall()


def _casts(node: Any) -> Iterator[Mapping[str, Any]]:
    """Casts of a plan that fail on a value of another type."""
    if isinstance(node, list):
        for value in node:
            yield from _casts(value)
    if not isinstance(node, dict) or node.get("type") == "OPERATOR_TRY":
        return
    if node.get("type") == "OPERATOR_CAST" and not node["function_data"]["try_cast"]:
        yield node
    for value in node.values():
        yield from _casts(value)


def _plan(query: str, empty: Tables) -> Any:
    """DuckDB's plan of a query, in which every cast stands and every type is known."""
    connection = _database().cursor()  # its temporary tables go with it
    try:
        for name, table in empty.items():
            connection.register("given", table)  # a plan over an Arrow table itself can not be written as JSON
            connection.execute(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM given')
        with bounded():
            ((plan,),) = connection.execute("SELECT json_serialize_plan(?, optimize := false)", [query]).fetchall()
        return json.loads(plan)
    finally:
        connection.close()


_NUMBERS = (0, 1, 2, 5, 100, 30_000)


def _check_on_made_up_rows(text: str, empty: Tables) -> None:
    """Refuse an expression that fails on a row of nulls, or on every row of usual values.

    Texts are null in all of them: which of them a cast or a date's format takes is known only to whoever writes it.
    """
    failures = []
    for number in (None, *_NUMBERS):
        rows = {
            name: pa.table({field.name: pa.array([_made_up(field.type, number)], field.type) for field in table.schema})
            for name, table in empty.items()
        }
        try:
            _run(text, rows)
        except ExpressionError as error:
            failures.append(error)
            if number is None:
                break
        else:
            if number is not None:
                return
    raise failures[0]


def _made_up(kind: pa.DataType, number: int | None) -> Any:
    """A value of a type, or null."""
    if number is None:
        return None
    if pa.types.is_integer(kind):
        return min(number, 2 ** (kind.bit_width - 1) - 1)
    if pa.types.is_float32(kind) or pa.types.is_float64(kind):
        return float(number)
    if pa.types.is_boolean(kind):
        return number > 0
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        moment = datetime(2010, 1 + number % 12, 1, tzinfo=UTC)
        return moment if pa.types.is_timestamp(kind) else moment.date()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_made_up(kind.value_type, number)] * min(number, 5)
    if pa.types.is_struct(kind):
        return {field.name: _made_up(field.type, number) for field in kind}
    return None


def query(text: str, tables: Iterable[str]) -> str:
    """The query that evaluates an expression row for row over tables of these names: one column, `holds`."""
    source = " POSITIONAL JOIN ".join(f'"{name}"' for name in tables)
    return f"SELECT ({text}\n) AS holds FROM {source}"


def _run(text: str, tables: Tables) -> pa.Table:
    connection = _database().cursor()
    try:
        with bounded():
            for name, table in tables.items():
                connection.register(name, table)
            return connection.sql(query(text, tables)).to_arrow_table()
    finally:
        connection.close()


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """A block in which DuckDB works on an expression: within the limit of memory, and its errors are ours."""
    import duckdb

    try:
        with memory_limit.limited(MOST_MEMORY):
            yield
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise MemoryLimitError from error
    except duckdb.Error as error:
        raise ExpressionError(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
