"""Labelling functions and tasks of one's own: what runs again, who has the file, what later commands know."""

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from socorpus.cli import main as cli
from socorpus.corpus import active_plugins, build, config, load_config, plugins, use_plugins
from socorpus.corpus.errors import InputError, SocorpusWarning
from socorpus.labeling import (
    analyze,
    apply,
    diff_labels,
    explain_labels,
    export_labels,
    label_slices,
    last_stage,
    pipeline,
    schema,
    tasks_without_functions,
    try_functions,
    write_report,
)
from socorpus.labeling.analysis import functions
from socorpus.labeling.functions import FUNCTIONS, of_task
from tests import clusters
from tests.building import hashes, manifest
from tests.corpus import small_site
from tests.labeling.labelled import rows

MINE = '''
from socorpus.labeling import Vote, task, votes

task("length", {"long": "a long answer", "short": "a short one"}, question="Is this answer long?", unit="answer",
     version=1)


@votes("length", version=1)
def counts(threads):
    """Characters of the post."""
    for post in threads.documents.to_pylist():
        if post["kind"] == "answer":
            yield Vote(post["post_id"], "long" if post["own_end"] > 500 else "short", {"own_end": post["own_end"]})


@votes("length")
def has_code(threads):
    """A block of code is long."""
    for post in threads.documents.to_pylist():
        if post["kind"] == "answer" and any(part["kind"] == "code" for part in post["segments"]):
            yield Vote(post["post_id"], "long", {"why": "code"})


@votes("closure")
def shouts(threads):
    """Capitals."""
    for post in threads.documents.to_pylist():
        if post["kind"] == "question" and post["title"] == "Question 3":
            yield Vote(post["post_id"], "needs_details", {})
'''


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    plugins.activate(())


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE, "utf-8")
    return path


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return small_site.dump(tmp_path)


def made(root: Path, dump: Path, *files: Path, **how: object) -> dict[str, object]:
    config = load_config(more_plugins=[str(file) for file in files])
    build(dump, root, config, last=last_stage, **{"workers": 0, **how})  # type: ignore[arg-type]
    return manifest(root)


def receipts(root: Path) -> dict[str, int]:
    return {path.relative_to(root / "receipts").as_posix(): path.stat().st_mtime_ns for path in sorted(_all(root))}


def _all(root: Path) -> Iterator[Path]:
    return (path for path in (root / "receipts").rglob("*.json") if path.parent != root / "receipts")


def test_a_build_labels_a_task_of_a_file(tmp_path: Path, dump: Path, mine: Path) -> None:
    root = tmp_path / "corpus"
    facts = made(root, dump, mine)
    assert list(facts["labels"]) == ["quality", "closure", "obsolescence", "entities", "length"]  # type: ignore[call-overload]
    assert facts["config"]["labels"]["tasks"] is None  # type: ignore[index]
    answers = {row["post_id"]: row for row in rows(root, "length", "examples")}
    assert answers and {row["kind"] for row in answers.values()} == {"answer"}
    labels = {row["post_id"]: row["label"] for row in rows(root, "length", "labels")}
    assert labels == {post: "long" if row["own_end"] > 500 else "short" for post, row in answers.items()}
    hashed = of_task("length")[1].version
    assert hashed == int(plugins.active()[0].identity[:7], 16)
    versions = {row["function"]: row["version"] for row in rows(root, "length", "votes")}
    assert versions == {"counts": 1} | ({"has_code": hashed} if "has_code" in versions else {})
    told = "\n".join(explain_labels(root, f"{small_site.SITE}:{next(iter(answers))}"))
    assert "length" in told and "counts: " in told


def test_only_what_a_changed_file_defines_runs_again(tmp_path: Path, dump: Path, mine: Path) -> None:
    root = tmp_path / "corpus"
    made(root, dump, mine)
    before = receipts(root)
    mine.write_text(MINE.replace('"Question 3"', '"Question 4"'), "utf-8")
    made(root, dump, mine)
    after = receipts(root)
    ran = {name for name in after if before.get(name) != after[name]}
    # `shouts` and `has_code` have no version of their own: their votes are made again, and what depends on these. The
    # task and `counts` have one. Other tasks, and all stages of the corpus, stay.
    assert {name.partition("/")[0] for name in ran} <= {*STEPS, "report", "configuration"}
    assert {name.split("/")[1].removesuffix(".json") for name in ran if name.startswith("label_")} == {
        "closure",
        "length",
    }
    assert {name for name in ran if name.startswith("label_vote/")} == {
        name for name in after if name.startswith(("label_vote/closure/", "label_vote/length/"))
    }
    assert not [name for name in ran if name.startswith(("label_merge/", "label_collect/"))]
    before = after
    made(root, dump, mine)
    assert receipts(root) == before
    # Each task says which file its labels are of.
    labels = manifest(root)["labels"]
    (loaded,) = plugins.active()
    assert labels["length"]["plugins"] == labels["closure"]["plugins"] == {"mine.py": loaded.identity}
    assert "plugins" not in labels["quality"]
    # A build keeps the hash that signals were made with; labels have that of the later file.
    mine.write_text(MINE.replace('"Question 3"', '"Question 5"'), "utf-8")
    use_plugins([str(mine)])
    apply(root, workers=0)
    assert manifest(root)["plugins"] == {"mine.py": loaded.identity}
    assert manifest(root)["labels"]["closure"]["plugins"] == {"mine.py": plugins.active()[0].identity}
    # Without the plug-in nothing of its task stays, not even a folder; people's votes would.
    plugins.activate(())
    made(root, dump)
    assert not (root / "labels/length").exists() and (root / "labels/closure").exists()


STEPS = ("label_vote", "label_count", "label_fit", "label_stratify", "label_label")


def test_a_plugin_that_apply_was_given_is_known_from_then_on(tmp_path: Path, dump: Path, mine: Path) -> None:
    root = tmp_path / "corpus"
    made(root, dump)
    assert "plugins" not in manifest(root) and "length" not in manifest(root)["labels"]
    use_plugins([str(mine)])
    apply(root, ["length"], workers=0)
    facts = manifest(root)
    assert set(facts["plugins"]) == {"mine.py"} and list(facts["labels"])[-1] == "length"
    use_plugins()
    assert "length" not in schema.TASKS and "closure.shouts" not in FUNCTIONS
    with pytest.raises(InputError, match=r"task 'length' is not known; .*--plugin"):
        apply(root, ["length"], workers=0)
    # Labels of a task that is not known here stay as they are.
    apply(root, ["closure"], workers=0)
    assert manifest(root)["labels"]["length"] == facts["labels"]["length"]
    assert use_plugins((), root, needed=True) == ["mine.py"] and "length" in schema.TASKS
    place, identity, definitions = active_plugins()[0]
    assert place == str(mine) and len(identity) == 64
    assert definitions[:2] == ["task length", "labelling function length.counts"]
    # Without its file the labels can be read, also of its task.
    mine.unlink()
    use_plugins()
    key = next(f"{row['site']}:{row['post_id']}" for row in rows(root, "length", "labels"))
    assert sum(row["labelled"] for row in label_slices(root, "length", "site")) == len(rows(root, "length", "labels"))
    assert diff_labels(root, root)["length"].changed == 0
    assert export_labels(root, "length", tmp_path / "out", "huggingface").labels > 0
    assert "<h3>length: " in write_report(root).read_text("utf-8")
    assert any(line.startswith("  length ") for line in explain_labels(root, key))
    with pytest.raises(InputError, match=r"mine.py, whose file .*mine.py is no longer there.*--without-plugin mine.py"):
        use_plugins((), root, needed=True)
    # Taken out, it leaves nothing.
    with pytest.raises(InputError, match=r"has no plug-in yours\.py; it has mine\.py"):
        apply(root, workers=0, without_plugins=["yours.py"])
    assert use_plugins((), root, needed=True, without=["mine.py"]) == []
    apply(root, ["quality"], workers=0, without_plugins=["mine.py"])
    facts = manifest(root)
    assert "plugins" not in facts and list(facts["labels"]) == ["quality", "closure", "obsolescence", "entities"]
    assert not (root / "labels/length").exists() and use_plugins((), root, needed=True) == []


def test_a_plugin_that_voted_on_our_tasks_is_taken_out_of_them(tmp_path: Path, dump: Path, mine: Path) -> None:
    root = tmp_path / "corpus"
    made(root, dump)
    before = {name: entry for name, entry in manifest(root)["labels"].items() if name != "length"}  # type: ignore[attr-defined]
    use_plugins([str(mine)])
    apply(root, ["closure", "length"], workers=0)
    assert "shouts" in manifest(root)["labels"]["closure"]["functions"]
    with pytest.raises(InputError, match=r"plug-in mine\.py is active"):
        apply(root, workers=0, without_plugins=["mine.py"])
    use_plugins()
    # Whoever did not name it is told that its votes go, and where nobody asked for that nothing else is touched.
    with pytest.warns(SocorpusWarning, match=r"votes of the plug-in mine.py on closure go, since it is not active"):
        apply(root, ["closure"], workers=0)
    apply(root, ["quality"], workers=0, without_plugins=["mine.py"])
    assert manifest(root)["labels"] == before


def test_a_task_on_which_no_function_votes_is_told(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_function = "from socorpus.labeling import task\ntask('moods', {'a': '', 'b': ''})\n"
    mine.write_text(no_function, "utf-8")
    config = load_config(overrides={"labels": {"tasks": ["moods", "quality"]}}, more_plugins=[str(mine)])
    with pytest.warns(SocorpusWarning, match=r"mine.py: task moods: only people and models .* write one with @votes"):
        last_stage.check(config)
    (sentence,) = tasks_without_functions()
    assert sentence.startswith(f"{mine}: task moods: ")
    done = CliRunner().invoke(cli.app, ["doctor", "--plugin", str(mine)])
    assert done.exit_code == 0
    assert sentence in capsys.readouterr().out + done.output
    without = [function.key for function in of_task("quality")]
    config = load_config(overrides={"labels": {"tasks": ["quality"], "without": without}})
    with pytest.warns(SocorpusWarning, match=r"task quality: .* labels.without leaves out all of its"):
        last_stage.check(config)
    last_stage.check(load_config(overrides={"labels": {"tasks": ["quality"], "without": without[1:]}}))


def test_the_command_line_shows_a_warning_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(**_: object) -> None:
        for _number in range(2):
            warnings.warn("labels are of an earlier file", SocorpusWarning, stacklevel=1)

    monkeypatch.setattr(cli, "app", command)
    cli.run()
    assert capsys.readouterr().err == "socorpus: labels are of an earlier file\n" * 2


def test_what_is_not_known_is_told_before_a_build(tmp_path: Path, dump: Path, mine: Path) -> None:
    for labels, said in (
        ({"tasks": ["moods"]}, "task 'moods' is not known; known: quality, closure, obsolescence, entities, length"),
        ({"without": ["length.nobody"]}, "length has no labelling function nobody; it has counts, has_code"),
        ({"without": ["moods.nobody"]}, "task 'moods' of moods.nobody is not known; known: quality, closure"),
        ({"without": ["lenght.counts"]}, r"task 'lenght' of lenght.counts is not known; did you mean length\?"),
        ({"without": ["length.count"]}, r"no labelling function count; did you mean counts\? it has"),
        ({"names": ["aplication: Blender"]}, r"the type 'aplication'; did you mean Application\? there are Algorithm"),
        ({"names": ["User Interface: Ribbon"]}, r"did you mean User_Interface_Element\?"),
    ):
        config = load_config(overrides={"labels": labels}, more_plugins=[str(mine)])
        with pytest.raises(InputError, match=said):
            build(dump, tmp_path / "corpus", config, last=last_stage, workers=0)
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('task("Moods", {"a": "", "b": ""})', "mine.py: task Moods: a name has lower-case letters"),
        ('task("facts", {"a": "", "b": ""})', "mine.py: task facts: this name is that of the facts of posts"),
        ('task("moods", {"a": ""})', "mine.py: task moods: 1 labels; it needs 2 to 100"),
        ('task("moods", {"a": "", "b": ""}, unit="post")', "its unit must be one of question, answer, span"),
        ('task("moods", {"a b": ""}, unit="span")', "label 'a b': a word without white space"),
        ('task("moods", {"a": "", " b": ""})', "label ' b': one line without white space around it"),
        ('task("moods", {"a": "", "b": ""}, listed="c")', "'c' is none of its labels"),
        ('task("moods", {"a": "", "b": ""}, collect=len)', "collect and merge need one another"),
        ('task("closure", {"a": "", "b": ""})', "task 'closure' is defined by socorpus already"),
        ('votes("closure", version="x")(len)', "labelling function closure.len: its version must be a number"),
        (
            'votes("closure", right=1.0)(len)',
            "labelling function closure.len: the share that is right must be above 0 and below 1",
        ),
        (
            "votes(len)",
            'mine.py: labelling function len: @votes needs its task in parentheses, as in @votes("quality"',
        ),
        ("votes(None)(len)", "mine.py: a labelling function: @votes needs its task in parentheses"),
        ("votes('closure')(never)", "mine.py, line 3: NameError: name 'never' is not defined"),
    ],
)
def test_what_is_wrong_with_a_definition_is_told(mine: Path, source: str, said: str) -> None:
    mine.write_text(f"from socorpus.labeling import task, votes\n\n{source}\n", "utf-8")
    with pytest.raises(InputError, match=said.replace("(", r"\(")):
        plugins.load([str(mine)])
    assert plugins.active() == ()


def test_a_plugin_may_be_the_first_to_import_ours(mine: Path) -> None:
    """What it imports of ours stays ours, whoever imports it first."""
    mine.write_text("from socorpus.labeling.tasks import closure\n" + MINE, "utf-8")
    code = (
        "import sys\nfrom socorpus.corpus import plugins\n"
        "plugins.load([sys.argv[1]])\n"
        "from socorpus.labeling.functions import FUNCTIONS\n"
        "from socorpus.labeling.schema import TASKS\n"
        "print([name for name in FUNCTIONS if FUNCTIONS.origin(name)], list(TASKS), len(FUNCTIONS))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(mine)], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("['length.counts', 'length.has_code', 'closure.shouts'] ['quality', 'closure', ")


def test_workers_that_were_started_elsewhere_get_the_file_with_the_work(tmp_path: Path, dump: Path, mine: Path) -> None:
    here = made(tmp_path / "here", dump, mine)
    config = load_config(more_plugins=[str(mine)])
    mine.unlink()
    with clusters.elsewhere(tmp_path / "elsewhere") as url:
        build(dump, tmp_path / "there", config, last=last_stage, scheduler=url)
    assert hashes(tmp_path / "there", "labels") == hashes(tmp_path / "here", "labels")
    assert manifest(tmp_path / "there")["labels"] == here["labels"]


NEW_TASK = '''
from socorpus.labeling import Vote, task, votes


def collect(threads):
    return {"scores": threads.documents["score"].to_pylist()}


def merge(parts):
    return {"highest": max(score for part in parts for score in part["scores"])}


STAR = task("star", {"star": "", "other": ""}, collect=collect, merge=merge,
            settings=lambda labels: {"without": list(labels.without)})


@votes(STAR)
def score(threads):
    """Scores."""
    for post in threads.documents.to_pylist():
        label = "star" if 2 * post["score"] > threads.facts["highest"] else "other"
        yield Vote(post["post_id"], label, {"asks": "ann@acme.org", **threads.facts["settings"]})


@votes(STAR)
def settled(threads):
    """Facts of posts."""
    for row in threads.post_facts.to_pylist():
        if row["kind"] == "question":
            yield Vote(row["post_id"], "other", {"closed": row["closed"]})
'''


def test_a_task_that_the_corpus_does_not_have_can_be_tried(tmp_path: Path, dump: Path, mine: Path) -> None:
    root = tmp_path / "corpus"
    config = load_config()
    build(dump, root, config, workers=0)
    before = hashes(root)
    mine.write_text(NEW_TASK, "utf-8")
    names = use_plugins([str(mine)], root)
    tried = {trial.function: trial for trial in try_functions(*names, root)}
    assert hashes(root) == before
    score, settled = tried["star.score"], tried["star.settled"]
    assert score.examples == settled.examples == score.covered == score.overlap == settled.votes > 5
    assert score.conflict == score.labels.get("star", 0) == settled.conflict
    assert score.samples[0]["evidence"] == {"asks": "[EMAIL_1]", "without": []}
    assert score.which.startswith(f"tried on the first {score.examples} examples, site by site: ")
    (note,) = score.notes
    assert "votes do not count" in note and " on answers, such as " in note and "An example of star is a quest" in note
    # It says what labels come of it.
    with pytest.warns(SocorpusWarning, match=r"star\.score: \d+ votes do not count"):
        apply(root, ["star"], workers=0)
    voted = [row for row in rows(root, "star", "votes") if row["function"] == "score"]
    assert len(voted) == score.votes and {row["label"] for row in voted} == set(score.labels)
    assert manifest(root)["labels"]["star"]["strays"]["score"]["kind"]["votes"] > 0
    with pytest.warns(SocorpusWarning, match="do not count"):
        (analysis,) = analyze(root, ["star"], workers=0).values()
    assert any("star.score: " in line and "no examples of star" in line for line in analysis.summary())
    # Labels of an earlier file do not stand for its functions.
    again = try_functions(*names, root)
    assert [trial.overlap for trial in again] == [score.overlap, settled.overlap]
    assert [trial.labelled for trial in again] == [0, 0] == [score.labelled, settled.labelled]


def test_functions_of_a_task_that_is_not_known_are_not_tried(tmp_path: Path, mine: Path) -> None:
    mine.write_text(MINE.replace('@votes("closure")', '@votes("mood")'), "utf-8")
    (name,) = use_plugins([str(mine)])
    with pytest.raises(InputError, match="task 'mood' is not known"):
        try_functions(name, tmp_path)
    with pytest.raises(InputError, match=r"task 'Closures' is not known; did you mean closure\?"):
        schema.TASKS.named("Closures")


def test_a_label_of_a_plugin_where_ours_abstain_is_not_said_to_be_missing(
    tmp_path: Path, dump: Path, mine: Path
) -> None:
    root = tmp_path / "corpus"
    made(root, dump)
    entry = manifest(root)["labels"]["quality"]
    why = entry["abstains"][small_site.SITE]
    label, other = list(why)[:2]
    assert f"No {label}" in " ".join(functions.not_to_be_had(entry)) and "by_others" not in entry
    mine.write_text(
        "from socorpus.labeling import Vote, votes\n\n@votes('quality')\ndef says(threads):\n"
        "    for post in threads.documents.to_pylist():\n        if post['kind'] == 'question':\n"
        f"            yield Vote(post['post_id'], {label!r}, {{}})\n",
        "utf-8",
    )
    use_plugins([str(mine)])
    (analysis,) = analyze(root, ["quality"], workers=0).values()
    entry = manifest(root)["labels"]["quality"]
    count = len([row for row in rows(root, "quality", "labels") if row["label"] == label])
    assert entry["by_others"] == {small_site.SITE: {label: count}} and count
    for sentences in (analysis.summary(), functions.not_to_be_had(entry)):
        told = " ".join(sentences)
        assert f"No {label}" not in told and f"No {other}" in told
        bound = f"is only by votes that this does not bind, as of plug-ins or people ({count:,})"
        assert f"{label} on {small_site.SITE} {bound}" in told


SPANS = """
from socorpus.labeling import task

task("things", {"Number": "digits", "Language": "as in entities"}, unit="span")
task("parts", {"Part": "of a machine"}, unit="span", collect=lambda threads: {}, merge=lambda parts: {},
     settings=lambda labels: {"names": list(labels.names)})
"""


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Number: 7"], "Number is a type of things, which reads no names of the configuration.*settings="),
        (["number: 7"], "has the type 'number'; there are Algorithm.*, Part"),
        (["language: C"], "has the type 'language'; did you mean Language"),
        (["Library: Blender", "Application:  Blender"], "'Library: Blender' and 'Application:  Blender' give one name"),
        (["Library: blender", "Application: Blender"], "give one name two types"),
        (["Data_Type: GO", "Language: Go", "Part: GO", "Part: GO", "Library: gopher"], None),
    ],
)
def test_names_that_nobody_reads_and_names_of_two_types_are_refused(
    tmp_path: Path, names: list[str], message: str | None
) -> None:
    file = tmp_path / "spans.py"
    file.write_text(SPANS, "utf-8")
    settings = config.Config(labels=config.Labels(tasks=("entities",), names=tuple(names)))
    with plugins.only(plugins.find([str(file)])):
        if message is None:
            pipeline.check(settings)
        else:
            with pytest.raises(InputError, match=message):
                pipeline.check(settings)
