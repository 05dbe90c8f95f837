"""The plug-ins of examples/, as they stand there: each does what it says."""

import csv
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from socorpus.corpus import explain, load_config, pipeline, plugins, use_plugins
from socorpus.corpus.dump import sources as dump_sources
from socorpus.corpus.dump import stage as dump_stage
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.errors import BuildError, InputError
from socorpus.labeling import plugin_calls
from socorpus.labeling.functions import of_task
from socorpus.labeling.schema import TASKS
from tests.building import manifest, socorpus, table
from tests.corpus import small_site
from tests.labeling import bucket

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix in (".py", ".toml"))


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    plugins.activate(())


def test_there_is_one_of_each_kind_and_each_is_short() -> None:
    defined = {}
    for path in FILES:
        assert len(path.read_text("utf-8").splitlines()) <= 60, path
        if path.suffix == ".py":
            plugins.load([str(path)])
            defined[path.stem] = [name.rpartition(" ")[0] for name in plugins.described()[0][2]]
    assert defined == {
        "signal": ["configuration section", "signal"],
        "signal_with_files": ["configuration section", "signal"],
        "source": ["source"],
        "labelling_function": ["labelling function"],
        "lexicon": ["lexicon of obsolescence"],
        "task": ["task", *["labelling function"] * 3],
        "task_with_facts": ["task", "labelling function"],
        "span_task": ["task", "labelling function"],
        "preset": ["preset"],
        "system": ["system"],
    }


@pytest.mark.slow
def test_the_signal_and_the_rules(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    posts = dump / "Posts.xml"
    text = posts.read_text("utf-8").replace('Title="Question 3"', 'Title="Homework: is beer wet?"')
    posts.write_text(text.replace("&lt;p&gt;", "&lt;p&gt;" + "Why? " * 21, 1), "utf-8")
    facts = small_site.build_with(root, load_config(EXAMPLES / "selection.toml"), dump, workers=0)
    (path,) = (root / "signals" / "questions").rglob("*.parquet")
    found = pq.read_table(path).to_pylist()
    documents = pq.read_table(str(path).replace("signals/questions", "documents")).to_pylist()
    for row, post in zip(found, documents, strict=True):
        own = post["text"][: post["own_end"]]
        assert (row["question_marks"], row["asks_at_the_end"]) == (own.count("?"), own.rstrip().endswith("?"))
    assert max(row["question_marks"] for row in found) >= 21
    assert facts["config"]["questions"] == {"marks": "?"} and facts["totals"]["dropped"]["homework"] == 1
    assert facts["totals"]["dropped"]["asks_too_much"] >= 1


def test_the_signal_with_files(tmp_path: Path) -> None:
    root, dump, listed = tmp_path / "corpus", small_site.dump(tmp_path), tmp_path / "spam.txt"
    posts = dump / "Posts.xml"
    link = "&lt;a href=&quot;https://{}/x&quot;&gt;here&lt;/a&gt;"
    text = posts.read_text("utf-8").replace("What went wrong with it?", link.format("spam.example") + " or what?")
    posts.write_text(text.replace("of the brewery.", f"of the {link.format('fine.example')}."), "utf-8")
    listed.write_text("spam.example\n\nother.example\n", "utf-8")
    settings = {"listed_links": {"lists": [str(listed)]}}

    def built() -> dict[str, object]:
        config = load_config(overrides=settings, more_plugins=[str(EXAMPLES / "signal_with_files.py")])
        facts: dict[str, object] = small_site.build_with(root, config, dump, workers=0)["signals"]["listed_links"]
        return facts

    assert built() == {"links to listed sites": 1}
    receipt = json.loads((root / "receipts/signal_inputs/listed_links.json").read_text("utf-8"))
    assert receipt["counts"] == {"hosts": 2}
    said = {post: str(explain(root, f"{small_site.SITE}:{post}")) for post in (small_site.QUESTION, small_site.PRIVATE)}
    assert "listed_links  links to spam.example" in said[small_site.QUESTION]
    assert "listed_links  no link to a listed site" in said[small_site.PRIVATE]
    listed.write_text("fine.example\nspam.example\n", "utf-8")
    assert built() == {"links to listed sites": 2}


def test_the_task_with_facts() -> None:
    plugins.load([str(EXAMPLES / "task_with_facts.py")])
    task, (function,) = TASKS["brevity"], of_task("brevity")
    lengths = {1: 3, 2: 30, 3: 30, 4: 31, 5: 10}
    posts = [bucket.question(post, body=f"<p>{'word ' * words}</p>") for post, words in lengths.items()]
    threads = bucket.threads(posts, comments=[bucket.comment(1, 1, "far too short, far too short")])
    elsewhere = replace(bucket.threads([bucket.question(6, body="<p>one two</p>")]), site="other.example.com")
    parts = [plugin_calls.collected(task, some) for some in (threads, elsewhere)]
    facts = plugin_calls.merged(task, json.loads(json.dumps(parts)))
    assert facts == {bucket.SITE: 30, "other.example.com": 2}
    found = plugin_calls.votes(function, replace(threads, facts=facts))
    assert {vote.post_id: vote.label for vote in found} == {1: "brief", **dict.fromkeys((2, 3, 4, 5), "usual")}
    rows = {row["post_id"]: row for row in plugin_calls.examples(task, threads, found).to_pylist()}
    assert list(rows) == list(lengths) and rows[1]["text"] == rows[1]["text"][: rows[1]["own_end"]]
    assert "too short" in threads.documents["text"][0].as_py() and "too short" not in rows[1]["text"]
    assert all(part["end"] <= rows[1]["own_end"] for part in rows[1]["segments"])


@pytest.fixture
def page(tmp_path: Path) -> list[str]:
    """What docs/plugins.md shows as Python, each block a file of its own."""
    shown = re.findall(r"^```python\n(.*?)^```$", (EXAMPLES.parent / "docs/plugins.md").read_text("utf-8"), re.S | re.M)
    for number, block in enumerate(shown):
        (tmp_path / f"shown_{number}.py").write_text(block, "utf-8")
    return [str(tmp_path / f"shown_{number}.py") for number in range(len(shown))]


def test_the_signals_of_the_page(page: list[str], tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    posts = dump / "Posts.xml"
    posts.write_text(posts.read_text("utf-8").replace("&lt;p&gt;Just wait.", "&lt;p&gt;Thanks for it."), "utf-8")
    facts = small_site.build_with(root, load_config(more_plugins=page), dump, workers=0)["signals"]
    assert facts["questions"]["question_marks: above 0"] > 1
    assert facts["greetings"] == {"documents that greet": 1}
    assert "greetings     greets" in str(explain(root, f"{small_site.SITE}:{small_site.SHORT}"))


def test_the_tasks_of_the_page(page: list[str]) -> None:
    plugins.load(page)
    assert "homework" in TASKS and [function.name for function in of_task("quality")][-1] == "shouts"
    task, (function,) = TASKS["star"], of_task("star")
    scores = {1: 10, 2: 6, 3: 5}
    tagless = bucket.question(4, tags=[], score=9)
    threads = bucket.threads([*(bucket.question(post, score=score) for post, score in scores.items()), tagless])
    facts = plugin_calls.merged(task, [plugin_calls.collected(task, threads), {"site": bucket.SITE, "highest": 11}])
    assert facts == {bucket.SITE: 11}
    found = plugin_calls.votes(function, bucket.with_examples("star", replace(threads, facts=facts)))
    assert {vote.post_id: vote.label for vote in found} == {1: "star", 2: "star", 3: "other"}
    assert plugin_calls.examples(task, threads, found)["post_id"].to_pylist() == [1, 2, 3]


def test_the_labelling_function() -> None:
    plugins.load([str(EXAMPLES / "labelling_function.py")])
    titles = {1: "WHY IS MY BEER FLAT", 2: "Why is my beer flat", 3: "1984?", 4: "WHY ß"}
    first = bucket.event(1, 5, 1, 0, "WHY IS MY BEER FLAT")
    body = bucket.event(2, 5, 2, 0, "It is flat.")
    edited = bucket.event(3, 5, 4, 1, "Why is my beer flat?")
    posts = [bucket.question(post, title=title) for post, title in titles.items()]
    threads = bucket.threads([*posts, bucket.question(5, title="Why is my beer flat?")], history=[first, body, edited])
    votes = of_task("quality")[-1].find(bucket.with_examples("quality", threads))
    # The fifth was shouted before somebody edited it.
    assert [(vote.post_id, vote.label) for vote in votes] == [(1, "LQ_EDIT"), (5, "LQ_EDIT")]


def test_the_span_task() -> None:
    plugins.load([str(EXAMPLES / "span_task.py")])
    (function,) = of_task("versions")
    text = "Use Python 3.11 or v2.0-beta1, not 42 or file.v."
    examples = bucket.threads([bucket.question(1)]).documents.slice(0, 1).to_pylist()
    examples[0]["text"] = text
    threads = bucket.threads([bucket.question(1)])
    threads = type(threads)(**{**vars(threads), "span_examples": threads.documents.from_pylist(examples)})
    assert TASKS["versions"].spans
    assert [(text[vote.start : vote.end], vote.label) for vote in function.find(threads)] == [
        ("3.11", "Release"),
        ("v2.0-beta1", "Preview"),
    ]


def test_the_preset() -> None:
    from socorpus.training import presets

    with pytest.raises(InputError, match="preset 'narrow' is not known"):
        presets.load("narrow")
    plugins.load([str(EXAMPLES / "preset.py")])
    made, base = presets.load("narrow"), presets.load("mini")
    assert (made.model.layers, made.model.hidden, made.masking.rate) == (8, 192, 0.25)
    assert made.model.family == base.model.family and made.validation == base.validation


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('preset("mine", {"modle": {}})', "mine.py: preset mine: unknown key modle; did you mean model"),
        ('preset("mine", {"model": {"heads": 3}}, base="tiny")', "mine.py: preset mine: model.heads .3. must divide"),
        ('preset("mine", {}, base="tinny")', "preset 'tinny' is not known; did you mean tiny"),
        ('preset("tiny", {})', "preset 'tiny' is defined by socorpus already"),
    ],
)
def test_a_preset_is_checked_like_ours(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(f"from socorpus.training import preset\n{source}\n", "utf-8")
    with pytest.raises(InputError, match=said):
        plugins.load([str(tmp_path / "mine.py")])


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("from socorpus.corpus import signal\n@signal", "signal mine: @signal needs its columns in parentheses"),
        ("from socorpus.training import system\n@system", "system mine: @system needs its name in parentheses"),
        (
            "from socorpus.labeling import votes\n@votes",
            "labelling function mine: @votes needs its task in parentheses",
        ),
    ],
)
def test_what_stands_above_a_definition_without_parentheses_is_refused(tmp_path: Path, source: str, said: str) -> None:
    (tmp_path / "mine.py").write_text(f"{source}\ndef mine(given):\n    return []\n", "utf-8")
    with pytest.raises(InputError, match=said):
        plugins.load([str(tmp_path / "mine.py")])


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like "60k Stack Overflow Questions with Quality Rating": poor questions beg."""
    draw, path = random.Random(1), tmp_path_factory.mktemp("data") / "questions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Id", "Title", "Body", "Tags", "CreationDate", "Y"])
        for at in range(120):
            words = [*draw.choices(["list", "file", "loop", "key", "sort"], k=6), *(["plz"] if at % 2 else [])]
            day = f"2016-{at // 28 + 1:02d}-{at % 28 + 1:02d} 10:00:00"
            rows.writerow([at, "how do i", f"<p>{' '.join(words)}</p>", "<python>", day, "LQ" if at % 2 else "HQ"])
    return path


def test_the_system_stands_in_the_comparison(questions: Path, tmp_path: Path) -> None:
    given = ("--plugin", EXAMPLES / "system.py", "--system", "majority", "--system", "Words=nearest")
    shown = socorpus("evaluate", "--on", f"quality={questions}", *given, "-o", tmp_path / "out", "--price", 1)
    cells = {cell["system"]: cell for cell in json.loads((tmp_path / "out/comparison.json").read_text())["cells"]}
    assert cells["Words"]["scores"]["macro_f1"]["mean"] > 0.9 > cells["majority"]["scores"]["macro_f1"]["mean"]
    # Six words, two labels; what it costs is measured.
    assert cells["Words"]["parameters"] >= 12 and cells["Words"]["thousand_dollars"] > 0
    assert "Words *" in shown.stdout
    told = socorpus("evaluate", "--on", f"quality={questions}", "--system", "nearest", "-o", tmp_path / "o", code=1)
    assert "not compared: nearest" in told.stderr


@pytest.mark.parametrize(
    ("does", "said"),
    [
        ("return [Prediction((0.5, 0.5))]", "system broken: 1 predictions for 24 examples"),
        ("return [Prediction((1.0,)) for _ in examples]", r"system broken, on \d+: 1 probabilities from 0 to 1 for 2"),
        ("return [(0.5, 0.5) for _ in examples]", r"system broken, on \d+: tuple is no Prediction"),
        (
            "return [Prediction((1 / (one.key != '99'), 0.0)) for one in examples]",
            r"mine\.py, line 11, in .*: predict of system broken, on 99: ZeroDivisionError",
        ),
        ("return [Prediction(one.probabilities) for one in examples]", "0 probabilities from 0 to 1 for 2 labels"),
    ],
)
def test_what_a_system_does_wrong_is_told(questions: Path, tmp_path: Path, does: str, said: str) -> None:
    from socorpus.training import evaluate

    source = f"""
from socorpus.training import Prediction, system


@system("broken")
class Broken:
    def __init__(self, data):
        assert not data.splits["test"] and data.splits["train"]

    def predict(self, examples):
        {does}
"""
    (tmp_path / "mine.py").write_text(source, "utf-8")
    use_plugins([str(tmp_path / "mine.py")])
    (cell,) = evaluate(None, None, ["broken"], tmp_path / "out", on=[("quality", questions)]).cells
    assert cell.missing is not None
    assert re.search(said, cell.missing), cell.missing


def test_a_system_runs_again_when_its_file_is_another(questions: Path, tmp_path: Path) -> None:
    from socorpus.training import evaluate

    source = (EXAMPLES / "system.py").read_text("utf-8")
    scores = []
    for text in (source, source, source.replace("sums = [1.0]", "sums = [1e9]")):
        (tmp_path / "system.py").write_text(text, "utf-8")
        use_plugins([str(tmp_path / "system.py")])
        (cell,) = evaluate(None, None, ["nearest"], tmp_path / "out", on=[("quality", questions)]).cells
        done = tmp_path / "out/cells"
        (receipt,) = done.rglob("done.json")
        scores.append((receipt.stat().st_mtime_ns, cell.scores["log_loss"].mean))
    assert scores[0] == scores[1] and scores[2][0] > scores[1][0] and scores[2][1] > scores[1][1]


TINY = "[model]\nlayers = 1\nhidden = 64\nheads = 4\nffn = 96\nmax_length = 128\n[schedule]\ntokens = 8192\n"


@pytest.mark.slow
def test_a_whole_new_task_from_functions_to_a_model(tmp_path: Path) -> None:
    """Build, apply, analyze, export, train, fine-tune, evaluate, explain, with the plug-in named once."""
    root, state = tmp_path / "corpus", {"XDG_STATE_HOME": str(tmp_path / "state")}

    def run(*arguments: object) -> str:
        return socorpus(*arguments, environment=state).stdout

    run("sample", tmp_path / "dump", "--threads", 150, "--form", "modern")
    plugin = ("--plugin", EXAMPLES / "task.py")
    built = run("build", tmp_path / "dump", "-o", root, "--workers", 0, *plugin)
    assert "runnable: " in built
    assert "nothing had changed" in run("labeling", "apply", root, "--task", "runnable", "--workers", 0)
    analysis = run("labeling", "analyze", root, "--task", "runnable", "--workers", 0)
    assert all(name in analysis for name in ("has_no_block", "leaves_out", "begins_as_a_program"))
    labels = {(row["site"], row["post_id"]): row for row in table(root, "labels/runnable/labels").to_pylist()}
    answers = [row for row in table(root, "documents").to_pylist() if (row["site"], row["post_id"]) in labels]
    assert {row["kind"] for row in answers} == {"answer"} and len(answers) == len(labels) > 100
    for row in answers:
        has_block = any(part["kind"] == "code" for part in row["segments"])
        assert (labels[row["site"], row["post_id"]]["label"] != "none") == has_block
    run("labeling", "export", root, "--task", "runnable", "-o", tmp_path / "exported")
    lines = [line for path in (tmp_path / "exported").glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert len(lines) == len(labels) and "complete" in {json.loads(line)["label"] for line in lines}
    (tmp_path / "tiny.toml").write_text(TINY, "utf-8")
    run("train", root, "-o", tmp_path / "run", "--config", tmp_path / "tiny.toml", "--gpus", 1)
    fitted = tmp_path / "fitted"
    fast = ("--epochs", 1, "--seeds", 1, "--batch", 16)
    run("finetune", tmp_path / "run", "--task", "runnable", "--data", root, "-o", fitted, *fast)
    facts = json.loads((fitted / "finetune.json").read_text("utf-8"))
    assert facts["labels"] == ["complete", "fragment", "none"] and facts["unit"] == "answer"
    assert "- `fragment`: the code needs something around it" in (fitted / "README.md").read_text("utf-8")
    # Who has the model needs no plug-in to use it.
    from socorpus.training import load_predictor

    predictor = load_predictor(fitted)
    assert predictor.task.labels == ("complete", "fragment", "none") and "runnable" not in TASKS
    assert predictor.task.question == "Can the code of this answer be run as it is?"
    compared = run("evaluate", root, "--task", "runnable", "--system", "audits", "-o", tmp_path / "table")
    assert "markup only" in compared and "runnable (corpus)" in compared
    key = next(f"{site}:{post}" for (site, post), row in labels.items() if row["label"] == "complete")
    told = run("explain", root, key)
    assert "runnable      complete" in told and "begins_as_a_program: complete (blocks 1)" in told
    assert "plug-in" in run("doctor", *plugin) and set(manifest(root)["plugins"]) == {"task.py"}
    # Somebody else, who has only the corpus, can read it, and is told what is missing to label it.
    alone = {"XDG_STATE_HOME": str(tmp_path / "else")}
    assert socorpus("explain", root, key, environment=alone).stdout == told
    lost = socorpus("labeling", "apply", root, code=2, environment=alone)
    assert "built with the plug-in task.py" in lost.stderr and "--plugin PATH" in lost.stderr
    unknown = socorpus(
        *("finetune", tmp_path / "run", "--task", "runnable", "--data", root, "-o", tmp_path / "other"),
        code=2,
        environment={"XDG_STATE_HOME": str(tmp_path / "else")},
    )
    assert "task 'runnable' is not known" in unknown.stderr and "--plugin" in unknown.stderr


def test_the_source(tmp_path: Path) -> None:
    """Topics of a forum -> a corpus; it is read again when a topic or the plug-in changes, and not otherwise."""
    topics, plugin = tmp_path / "topics", tmp_path / "source.py"
    topics.mkdir()
    plugin.write_text((EXAMPLES / "source.py").read_text("utf-8"), "utf-8")
    for number in range(3):
        (topics / f"{number}.json").write_text(json.dumps(_topic(number)), "utf-8")

    def built(root: Path) -> dict[str, object]:
        config = load_config(more_plugins=[str(plugin)])
        with Engine(root, workers=0) as engine:
            found = dump_sources.discover([f"discourse:{topics}"], "forum.example.com")
            facts: dict[str, object] = pipeline.build(root, found, config, engine)["sites"]["forum.example.com"]
        return facts

    root = tmp_path / "corpus"
    facts = built(root)
    assert facts["rows"] == {"comments": 6, "history": 3, "posts": 6} and facts["quarantined"] == 0
    documents = {row["post_id"]: row for row in table(root, "documents").to_pylist()}
    question, answer = documents[101], documents[102]
    assert (question["kind"], question["title"], question["tags"]) == ("question", "How do I 1?", ["help", "new"])
    assert (answer["thread_id"], answer["accepted"], answer["score"], answer["author"]) == (101, True, 4, "ann")
    assert answer["comments"] == 2 and "thank you & bye" in answer["text"]  # a reply to a reply is of the answer too
    assert table(root, "tables/history")["post_history_type_id"].to_pylist() == [10, 10, 10]
    receipts = (root / "receipts/read").rglob("*.json")
    before = {path: path.stat().st_mtime_ns for path in receipts}
    built(root)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    topic = _topic(1)
    topic["title"] = "How do I do it?"
    (topics / "1.json").write_text(json.dumps(topic), "utf-8")
    built(root)
    assert {row["title"] for row in table(root, "documents").to_pylist()} >= {"How do I do it?", "How do I 2?"}
    plugin.write_text(plugin.read_text("utf-8").replace('"Score": likes', '"Score": likes + 1'), "utf-8")
    built(root)
    assert {row["post_id"]: row["score"] for row in table(root, "documents").to_pylist()}[102] == 5


def _topic(number: int) -> dict[str, Any]:
    first = 100 * number + 1

    def post(place: int, text: str, **more: object) -> dict[str, Any]:
        made = {"id": first + place - 1, "post_number": place, "username": "ann", "user_id": 7, "post_type": 1}
        return made | {"created_at": f"2024-05-0{place}T10:00:00.000Z", "cooked": f"<p>{text}</p>", **more}

    posts = [
        post(1, f"How can I do the thing that is numbered {number} without breaking all the others?"),
        post(2, f"You can do it by reading page {number} of the manual.", actions_summary=[{"id": 2, "count": 4}]),
        post(3, "thank you &amp; bye", reply_to_post_number=2),
        post(4, "no thanks needed", reply_to_post_number=3),
        post(5, "", post_type=3, action_code="closed.enabled"),
    ]
    tags = ["help", {"id": 1, "name": "new"}]
    stream = {"post_stream": {"posts": posts}, "title": f"How do I {number}?", "tags": tags, "views": 9}
    return stream | {"accepted_answer": {"post_number": 2}}


def test_a_source_that_fails_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics/7.json").write_text("{}", "utf-8")
    load_config(more_plugins=[str(EXAMPLES / "source.py")])
    (site,) = dump_sources.discover([f"discourse:{tmp_path / 'topics'}"])
    (item,) = dump_stage._items([site], dump_stage.Read())
    with pytest.raises(BuildError, match=r"source\.py, line \d+, in discourse: source discourse, on 7\.json: KeyError"):
        item.function(tmp_path, **item.arguments)
    with pytest.raises(InputError, match=r"holds no file '\*\.json'"):
        dump_sources.discover([f"discourse:{EXAMPLES}"])
