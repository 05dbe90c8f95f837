"""Expressions of rules: what they answer, which columns they read, and what is refused before any row is read."""

import resource
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from socorpus.corpus import schema
from socorpus.corpus.config import SelectionRule
from socorpus.corpus.errors import BuildError
from socorpus.corpus.selection import expressions, own_rules
from socorpus.corpus.selection.expressions import ExpressionError

DOCUMENTS = pa.table(
    {
        "site": ["a", "a", "b"],
        "score": pa.array([3, -1, 0], pa.int32()),
        "title": ["One", None, "Three"],
        "created": pa.array([datetime(year, 1, 1, tzinfo=UTC) for year in (2010, 2014, 2020)], schema.TIME),
        "tags": [["python"], [], ["c", "c++"]],
    }
)
STATISTICS = pa.table({"chars": pa.array([10, 200, None], pa.int32()), "score": [1, 2, 3]})
LANGUAGE = pa.table({"language": ["en", "de", None], "probability": [0.9, 0.8, None]})
TABLES = {"documents": DOCUMENTS, "statistics": STATISTICS, "language": LANGUAGE}
SCHEMAS = {name: table.schema for name, table in TABLES.items()}


@pytest.mark.parametrize(
    ("text", "columns", "holds"),
    [
        ("chars > 150", {"statistics": ("chars",)}, [False, True, False]),
        ("statistics.chars > 150", {"statistics": ("chars",)}, [False, True, False]),
        ("chars IS NULL", {"statistics": ("chars",)}, [False, False, True]),
        ("documents.score < 0 OR statistics.score = 3", {"documents": ("score",), "statistics": ("score",)}, [0, 1, 1]),
        ("language != 'en' AND probability > 0.5", {"language": ("language", "probability")}, [False, True, False]),
        ("language.language = 'en'", {"language": ("language",)}, [True, False, False]),
        ("year(created) < 2015", {"documents": ("created",)}, [True, True, False]),
        ("len(tags) > 1 -- a note", {"documents": ("tags",)}, [False, False, True]),
        ("len(list_filter(tags, lambda x: x = 'c')) = 1", {"documents": ("tags",)}, [False, False, True]),
        ("title LIKE '%r%'", {"documents": ("title",)}, [False, False, True]),
        ("CASE WHEN chars > 150 THEN title IS NULL ELSE false END", None, [False, True, False]),
        ('Statistics.CHARS > 150 AND "Title" IS NULL', None, [0, 1, 0]),
        ("title.upper() = 'ONE'", {"documents": ("title",)}, [True, False, False]),
        ("len(list_filter(tags, lambda Title: title = 'c')) = 1", {"documents": ("tags",)}, [False, False, True]),
        (
            "chars = 10 AND len(list_filter(tags, lambda chars: chars = 'python')) = 1",
            {"documents": ("tags",), "statistics": ("chars",)},
            [True, False, False],
        ),
        (
            "len(list_filter(tags, lambda statistics: statistics.chars = 10)) = 1",
            {"documents": ("tags",), "statistics": ("chars",)},
            [True, False, False],
        ),
        ("CAST(title AS INTEGER) > 3 AND title = '5'", {"documents": ("title",)}, None),
        ("strptime(title, '%d.%m.%Y') < created", {"documents": ("title", "created")}, None),
        ("TRY(title = 5) OR TRY_CAST(title AS DATE) > created", {"documents": ("title", "created")}, [False] * 3),
        ("chars > '100' AND created < '2015-01-01'", {"documents": ("created",), "statistics": ("chars",)}, [0, 1, 0]),
        ("ln(chars - 150) > 1 OR sqrt(chars - 150) > 1", {"statistics": ("chars",)}, None),
    ],
)
def test_what_an_expression_reads_and_answers(
    text: str, columns: dict[str, tuple[str, ...]] | None, holds: list[bool] | None
) -> None:
    expression = expressions.check(text, SCHEMAS)
    if columns is not None:
        assert expression.columns == columns
    if holds is not None:  # else it depends on the values whether it fails
        assert expressions.evaluate(expression, TABLES).tolist() == [bool(value) for value in holds]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not an expression"),
        ("chars >", "not an expression"),
        ("chars > 1 /*", "not an expression"),
        ("chars > 1)) OR ((1 = 1", "not an expression"),
        ("chars > 1; DROP TABLE documents", "not an expression"),
        ("chars > 1, chars > 2", "not one expression"),
        ("chars > 1 FROM documents", "not one expression"),
        ("chars > 1 ORDER BY 1", "not one expression"),
        ("chars", "is int32, not true or false"),
        ("true", "reads no column"),
        ("lenght > 1", "no column lenght of documents or signals; there are chars, created"),
        ("scoer > 1", "no column scoer of documents or signals; did you mean score?"),
        ("statistics.words > 1", "statistics has no column words; it has chars, score"),
        ("score > 1", "write documents.score or statistics.score"),
        ("chars > (SELECT 1)", "a subquery can not be used"),
        ("title IN (SELECT content FROM read_text('/etc/passwd'))", "a subquery can not be used"),
        ("count(chars) > 1", "count looks at many rows"),
        ("chars > max(chars)", "max looks at many rows"),
        ("row_number() OVER () > chars", "a window function can not be used"),
        ("unnest(tags) = 'c'", "unnest makes rows"),
        ("COLUMNS('ch.*') > 1", "a star can not be used"),
        ("chars > $1", "a parameter can not be used"),
        ("random() > 0.5 AND chars > 1", "random does not always answer the same"),
        ("created < now()", "now does not always answer the same"),
        ("created < today()", "today does not always answer the same"),
        ("age(created) > INTERVAL 1 YEAR", "age does not always answer the same"),
        ("current_setting('threads') = title", "current_setting does not always answer the same"),
        ("nextval('x') > chars", "nextval does not always answer the same"),
        ("read_text('/etc/passwd') = title", "read_text"),
        ("getenv('HOME') = title", "getenv"),
        ("geomean(chars) > 1", "geomean can not be used: avg looks at many rows"),
        ("wavg(chars, 1) > 1", "wavg can not be used: "),
        ("pg_get_viewdef(1) IS NULL AND chars > 1", "pg_get_viewdef can not be used: a subquery"),
        ("chars + " * 900 + "1 > 0", "nested too deeply"),
        ("no_such_function(chars) > 1", "no_such_function"),
        ("CURRENT_DATE > created", "CURRENT_DATE does not always answer the same, so builds would differ; name a date"),
        ("localtimestamp > created", "localtimestamp does not always answer the same"),
        ("user = title", "user does not always answer the same"),
        ("Statistic.chars > 1", "there is no table Statistic, as in Statistic.chars; did you mean statistics.chars?"),
        ("SCOER > 1", "no column SCOER of documents or signals; did you mean score?"),
        ("Score > 1", "write documents.score or statistics.score"),
        ("len(list_filter(tags, lambda x: x = 'c')) = 1 AND x = 'c'", "no column x of documents"),
        ("len(list_filter(tags, x -> x = 'c')) = 1", "write lambda x: "),
        ("chars > 'abc'", "Could not convert string 'abc'"),
        ("chars IN (1, 'abc')", "Could not convert string 'abc'"),
        ("coalesce(chars, 'abc') > 1", "Could not convert string 'abc'"),
        ("CASE WHEN chars > 5 THEN chars > 'abc' ELSE false END", "Could not convert string 'abc'"),
        ("if(chars > 1000000, 'abc', chars) > 1", "Could not convert string 'abc'"),
        ("len(list_filter(tags, lambda x: chars > 'abc')) > 1", "Could not convert string 'abc'"),
        ("created > '2012-13-45'", "2012-13-45"),
        ("tags = 'c'", "'c' can't be cast to the destination type VARCHAR[]"),
        ("title = 5", "takes title, which is text, for INTEGER"),
        ("'é' = language AND documents.title IN (1, 2)", "takes documents.title, which is text, for INTEGER"),
        ("chars > 5 AND title", "takes title, which is text, for BOOLEAN"),
        ("tags[1] = 5", "takes a text for INTEGER"),
        ("date_trunc('era of dogs', created) > created", "era of dogs"),
        ("strftime(created, '%Q') = '1'", "%Q"),
        ("chars % 0 > 1", "Division by zero"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        expressions.check(text, SCHEMAS)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_value_that_an_expression_fails_on_is_an_error() -> None:
    expression = expressions.check("CAST(title AS INTEGER) > 3", SCHEMAS)
    with pytest.raises(ExpressionError, match="Could not convert string …") as failed:
        expressions.evaluate(expression, TABLES)
    assert "One" not in str(failed.value)  # a text may hold personal data
    expression = expressions.check("CAST(title AS TIMESTAMP) > created", SCHEMAS)
    with pytest.raises(ExpressionError, match="invalid timestamp field format: …") as failed:
        expressions.evaluate(expression, TABLES)
    assert "One" not in str(failed.value)


def test_every_column_of_documents_can_be_named() -> None:
    schemas = {"documents": schema.DOCUMENTS}
    for name in schema.DOCUMENTS.names:
        expression = expressions.check(f"{name} IS NULL", schemas)
        assert expression.columns == {"documents": (name,)}
        empty = {"documents": schema.DOCUMENTS.empty_table()}
        assert expressions.evaluate(expression, empty).tolist() == []


def test_dates_are_those_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = pa.table({"created": pa.array([datetime(2015, 1, 1, 0, 30, tzinfo=UTC)], schema.TIME)})
    expression = expressions.check("year(created) = 2015", {"documents": moment.schema})
    assert expressions.evaluate(expression, {"documents": moment}).tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "len(repeat(title, 10000)) > 1",  # two gigabytes for the rows that DuckDB takes at once
        "list_sum(range(len(title) * 10000000)) > 1",
        "len(list_reduce(list_transform(range(10000), lambda n: title), lambda a, b: a || b)) > 1",
    ],
)
def test_memory_of_an_expression_is_bounded(text: str) -> None:
    """It ends with a sentence that names the rule, and neither the limit nor the database is any different later."""
    documents = pa.table({"title": ["x" * 100] * 2500})
    schemas = {"documents": documents.schema}
    limit = resource.getrlimit(resource.RLIMIT_DATA)
    keys = pa.table({"site": ["s"] * 2500, "post_id": range(2500)})
    with pytest.raises(BuildError, match=r"selection rule 'greedy': takes more than 1 GB of memory: write it without"):
        own_rules.apply(SelectionRule("greedy", text), expressions.check(text, schemas), {"documents": documents}, keys)
    assert resource.getrlimit(resource.RLIMIT_DATA) == limit
    again = expressions.check("len(repeat(title, 100)) > 1", schemas)
    assert expressions.evaluate(again, {"documents": documents}).all()


def test_an_expression_that_takes_too_much_memory_for_any_row_is_refused_before_anything_is_read() -> None:
    with pytest.raises(expressions.MemoryLimitError):
        expressions.check("len(range(3000000000)) > score", {"documents": DOCUMENTS.schema})
