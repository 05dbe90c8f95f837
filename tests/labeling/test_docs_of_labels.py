"""docs/labeling.md: its tables have all columns, its examples run, and its labelling function works as it stands."""

import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from socorpus.corpus import plugins
from socorpus.corpus.engine.executor import Engine
from socorpus.labeling import functions, pipeline, schema
from socorpus.labeling.tasks.entities import task as entities_task
from tests.building import manifest
from tests.corpus import small_site
from tests.labeling.labelled import rows

PAGES = Path(__file__).resolve().parents[2] / "docs"
PAGE = (PAGES / "labeling.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    dump = small_site.dump(tmp_path)
    posts = dump / "Posts.xml"
    shouted = posts.read_text("utf-8").replace('Title="Question 3"', 'Title="WHY IS MY BEER FLAT"')
    posts.write_text(shouted, "utf-8")
    small_site.build(tmp_path / "corpus", dump)
    return tmp_path / "corpus"


def label(root: Path) -> None:
    with Engine(root, workers=0) as engine:
        pipeline.apply(root, engine, ["closure"])


@pytest.mark.parametrize("name", ["facts", "examples", "texts", "votes", "labels"])
def test_tables_have_all_columns_and_no_others(name: str) -> None:
    part = PAGE.partition(f"### {name}\n")[2].partition("\n#")[0]
    columns = [word for cell in re.findall(r"^\| (`.*?) \|", part, re.M) for word in re.findall(r"`(\w+)`", cell)]
    tables = {"facts": schema.FACTS, "texts": schema.TEXTS, "votes": schema.VOTES, "labels": schema.LABELS}
    tables["examples"] = pa.unify_schemas([schema.EXAMPLES, schema.STORED_EXAMPLES.remove_metadata()])
    assert sorted(columns) == sorted(tables[name].names)


def test_tasks_and_labels_are_named(corpus: Path) -> None:
    for task in schema.TASKS.values():
        assert f"| `{task.name}` |" in PAGE
    assert f"{len(schema.TASKS['entities'].labels)} types" in PAGE


def test_reading_labels(corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    label(corpus)
    monkeypatch.chdir(corpus.parent)
    exec(compile(PYTHON[0], "labeling.md", "exec"), {})
    assert capsys.readouterr().out.startswith(("open 0.9", "open 1.0"))


def test_the_function_that_is_added_votes(corpus: Path, tmp_path: Path) -> None:
    label(corpus)
    assert "title_is_shouted" not in manifest(corpus)["labels"]["closure"]["functions"]
    (tmp_path / "shouted.py").write_text(PYTHON[1], "utf-8")
    with plugins.only(plugins.find([str(tmp_path / "shouted.py")])):
        entered = functions.of_task("closure")[-1]
        label(corpus)
    assert entered.says == "A title in capitals: such a question rarely says what it asks."
    said = manifest(corpus)["labels"]["closure"]["functions"]["title_is_shouted"]
    assert said == {"version": entered.version, "votes": 1} and 1 < entered.version < 2**28
    (vote,) = [row for row in rows(corpus, "closure", "votes") if row["function"] == "title_is_shouted"]
    assert vote["label"] == "needs_details" and json.loads(vote["evidence"]) == {"title": "WHY IS MY BEER FLAT"}


def test_the_recipe_for_entities_votes(tmp_path: Path) -> None:
    (recipe,) = re.findall(r"^```python\n(.*?)^```$", (PAGES / "entities.md").read_text("utf-8"), re.S | re.M)
    (tmp_path / "ports.py").write_text(recipe, "utf-8")
    with plugins.only(plugins.find([str(tmp_path / "ports.py")])):
        (ports,) = [function for function in functions.of_task("entities") if function.name == "ports"]
        ((*votes,),) = entities_task.votes_on(["it hears on port 8080 and port 22"], functions=[ports])
    assert [(vote.start, vote.end, vote.label) for _, vote in votes] == [(17, 21, "Value"), (31, 33, "Value")]
