"""Boolean expressions over the columns of documents and signals, evaluated by DuckDB on Arrow tables.

An expression is one scalar expression of DuckDB's SQL: `chars > 150`, `statistics.chars > 150` where a name is not
unique, `language.probability < 0.5 AND score < 0`. DuckDB parses it, and its syntax tree shows which columns it reads.
Subqueries, aggregates, windows, and functions that do not always return the same (`random`, `now`) are refused: a
build would depend on more than its documents. The connection can reach no file and no network.
"""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

Tables = Mapping[str, pa.Table]
"""Tables by name, row for row."""


class ExpressionError(Exception):
    """An expression is wrong; the text is a sentence that says why."""


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
        ExpressionError: it is not one boolean expression, names a column that is not there, or is refused.
    """
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
    return Expression(text, columns)


def evaluate(expression: Expression, tables: Tables) -> npt.NDArray[np.bool_]:
    """The rows where an expression holds, bool[rows]; unknown (null) does not hold.

    Args:
        tables: those of `expression.columns`, n rows each, in the same order.

    Raises:
        ExpressionError: it fails on a value, such as a text that is no number.
    """
    read = {name: tables[name].select(names) for name, names in expression.columns.items()}
    try:
        column = _run(expression.text, read)
    except ExpressionError as error:
        # DuckDB quotes the value at fault, which may be a text with personal data.
        raise ExpressionError(str(error).partition("'")[0].rstrip() + " …") from None
    rows = next(iter(read.values())).num_rows
    if column.num_rows != rows:
        raise ExpressionError(f"answers {column.num_rows} rows for {rows} documents")
    return np.asarray(column["holds"].fill_null(False).combine_chunks().to_numpy(zero_copy_only=False), bool)


@functools.cache
def _database() -> "duckdb.DuckDBPyConnection":
    """This process's database in memory, with everything outside of it out of reach."""
    import duckdb  # by builds with rules of their own only: it takes 50 ms in every worker

    settings: dict[str, Any] = {
        "threads": 1,
        "memory_limit": "1GB",
        "enable_external_access": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
    }
    database = duckdb.connect(":memory:", config=settings)
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
        raise ExpressionError(f"{name} does not always answer the same, so builds would differ")


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
    "current_database",
    "current_query",
    "current_schema",
    "current_schemas",
    "current_setting",
    "version",
)
"""Functions that depend on the clock (`age` of one date) or on the connection, whatever DuckDB says of them."""


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
    own = {
        name
        for part in _nodes(node)
        if part["class"] == "LAMBDA"
        for side in _nodes(part.get("lhs"))
        for name in side.get("column_names", ())[:1]
    }
    by_table: dict[str, list[str]] = {}
    for part in _nodes(node):
        if part["class"] != "COLUMN_REF" or part["column_names"][0] in own:
            continue
        table, column = _place(part["column_names"], schemas)
        if column not in by_table.setdefault(table, []):
            by_table[table].append(column)
    if not by_table:
        raise ExpressionError("reads no column, so it says the same of every document")
    return {table: tuple(by_table[table]) for table in schemas if table in by_table}


def _place(names: list[str], schemas: Mapping[str, pa.Schema]) -> tuple[str, str]:
    if len(names) > 1 and names[0] in schemas:
        table, column = names[0], names[1]
        if column not in schemas[table].names:
            raise ExpressionError(f"{table} has no column {column}; it has {', '.join(schemas[table].names)}")
        return table, column
    having = [table for table, schema in schemas.items() if names[0] in schema.names]
    if not having:
        every = sorted({column for schema in schemas.values() for column in schema.names})
        near = difflib.get_close_matches(names[0], every, 1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(every)}"
        raise ExpressionError(f"there is no column {names[0]} of documents or signals; {known}")
    if len(having) > 1:
        choices = " or ".join(f"{table}.{names[0]}" for table in having)
        raise ExpressionError(f"{names[0]} is a column of {len(having)} tables: write {choices}")
    return having[0], names[0]


def _run(text: str, tables: Tables) -> pa.Table:
    import duckdb

    connection = _database().cursor()
    try:
        for name, table in tables.items():
            connection.register(name, table)
        source = " POSITIONAL JOIN ".join(f'"{name}"' for name in tables)
        return connection.sql(f"SELECT ({text}\n) AS holds FROM {source}").to_arrow_table()
    except duckdb.Error as error:
        raise ExpressionError(str(error).partition("\n")[0]) from error
    finally:
        connection.close()
