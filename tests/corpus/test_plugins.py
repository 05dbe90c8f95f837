"""Signals and rules of one's own: a file that nobody here has seen is built, reused, changed, wrong, or gone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from socorpus.corpus import config, load_config, plugins, plugins_left_out, use_plugins
from socorpus.corpus.errors import BuildError, InputError, SocorpusWarning
from socorpus.corpus.report import story
from socorpus.corpus.signals.base import SIGNALS
from socorpus.corpus.storage import manifest_file, plugin_memory
from socorpus.labeling import write_report
from tests import manifests
from tests.building import hashes, socorpus
from tests.corpus import small_site
from tests.corpus.small_site import SITE

SIGNAL = '''
from dataclasses import dataclass

import pyarrow as pa

from socorpus.corpus.signals.base import signal


@dataclass(frozen=True)
class Shouting:
    """Capitals."""

    least: int = 1
    """Fewest letters."""


@signal({"capitals": pa.float32(), "loud": pa.bool_()}, reads=("text", "own_end"), config=Shouting,
        meaning={"capitals": "share of capitals"})
def shouting(documents, config):
    shares = [share(text[:end], config.least)
              for text, end in zip(documents["text"].to_pylist(), documents["own_end"].to_pylist())]
    return {"capitals": shares, "loud": [share > 0.5 for share in shares]}


def share(text, least):
    letters = [letter for letter in text if letter.isalpha()]
    return sum(map(str.isupper, letters)) / len(letters) if len(letters) >= least else 0.0


@signal({"questions": pa.int32()}, reads=("text",), version=1)
def marks(documents):
    return {"questions": [text.count("?") for text in documents["text"].to_pylist()]}
'''
RULE = {"reason": "asks_much", "drop_if": "questions >= 1 AND capitals < 0.9", "meaning": "asks too much"}


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The user's state folder is this test's, and no plug-in outlives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    plugins.activate(())


def write(folder: Path, source: str = SIGNAL, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text(source, "utf-8")
    return str(path)


def receipts(root: Path, stage: str) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in (root / "receipts" / stage).rglob("*.json")}


def test_a_signal_of_a_file_is_built_explained_reported_and_dropped_by(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    facts = small_site.build(root, dump, plugins=[write(tmp_path)], selection={"rules": [RULE]}, shouting={"least": 3})
    (path,) = (root / "signals" / "shouting").rglob("*.parquet")
    rows = pq.read_table(path)
    documents = pq.read_table(str(path).replace("signals/shouting", "documents"))
    for column in ("site", "post_id"):
        assert rows[column].to_pylist() == documents[column].to_pylist()
    assert rows.schema.metadata[b"socorpus.table"] == b"signals.shouting"
    assert 0 < max(rows["capitals"].to_pylist()) < 1
    # The manifest lists its files, counts its values, holds its section, and names the plug-in by its hash.
    assert facts["files"][str(path.relative_to(root))]["rows"] == documents.num_rows
    assert facts["signals"]["shouting"]["capitals: above 0"] > 0
    assert facts["config"]["shouting"] == {"least": 3} and facts["config"]["plugins"] == ["mine.py"]
    assert set(facts["plugins"]) == {"mine.py"} and str(tmp_path) not in json.dumps(facts["config"])
    # The rule's drops are accounted for as ours are.
    asked = pq.read_table(str(path).replace("signals/shouting", "signals/marks"))["questions"].to_pylist()
    decisions = pq.read_table(str(path).replace("signals/shouting", "decisions")).to_pylist()
    dropped = [row for row in decisions if row["reason"] == "asks_much"]
    assert dropped and facts["totals"]["dropped"]["asks_much"] == len(dropped)
    for row, questions in zip(decisions, asked, strict=True):
        if row["reason"] == "asks_much":
            assert questions >= 1 and json.loads(row["evidence"])["questions"] == questions
        elif row["reason"] is None:
            assert questions < 1
    totals = facts["totals"]
    assert totals["documents"] == totals["kept"] + sum(totals["dropped"].values())
    told = "\n".join(story.lines(story.find(root, f"{SITE}:{dropped[0]['post_id']}")))
    assert "shouting      capitals" in told and "asks_much: asks too much" in told
    page = (root / "report.html").read_text("utf-8")
    assert "Signals of plug-ins" in page and "share of capitals" in page and "asks much" in page
    # Who does not have the file reads what is in the corpus.
    plugins.activate(())
    assert "\n".join(story.lines(story.find(root, f"{SITE}:{dropped[0]['post_id']}"))) == told
    page = write_report(root).read_text("utf-8")
    assert "of a plug-in that is not known here" in page and "share of capitals" not in page


def test_workers_get_the_file_with_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump = small_site.dump(tmp_path)
    given = write(tmp_path)
    small_site.build(tmp_path / "here", dump, plugins=[given])
    monkeypatch.chdir(tmp_path)
    built = config.load(overrides={"plugins": [given]})
    Path(given).unlink()  # the workers can't read it
    facts = small_site.build_with(tmp_path / "workers", built, dump, workers=2)
    for name in ("shouting", "marks"):
        (here,) = (tmp_path / "here" / "signals" / name).rglob("*.parquet")
        (there,) = (tmp_path / "workers" / "signals" / name).rglob("*.parquet")
        assert here.read_bytes() == there.read_bytes()
    assert facts["reused"]["shouting"] == 0


def test_a_changed_file_runs_again_for_itself_alone(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    documents = small_site.build(root, dump, plugins=[write(tmp_path)])["totals"]["documents"]
    stages = ("documents", "fingerprints", "split", "tokenizer", "shards", "pairs")
    before = {stage: receipts(root, stage) for stage in stages}
    facts = small_site.build(root, dump, plugins=[write(tmp_path, SIGNAL.replace("> 0.5", "> 0.4"))])
    # `marks` has a version of its own, so it stays as it is although its file is another.
    assert facts["reused"]["shouting"] == 0
    assert facts["reused"]["marks"] == facts["reused"]["privacy"] == documents
    assert {stage: receipts(root, stage) for stage in stages} == before
    again = small_site.build(root, dump, plugins=[write(tmp_path, SIGNAL.replace("> 0.5", "> 0.4"))])
    assert again["signals"] == facts["signals"]


def test_without_the_plugin_its_table_goes_and_the_rest_stays(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    small_site.build(root, dump, plugins=[write(tmp_path)])
    facts = small_site.build(root, dump, plugins=[])
    assert not (root / "signals" / "shouting").exists()
    assert "plugins" not in facts and "shouting" not in facts["signals"] and "shouting" not in SIGNALS
    assert facts["reused"]["language"] == facts["totals"]["documents"]
    plain = small_site.build(tmp_path / "plain", dump)
    assert facts["files"] == plain["files"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            SIGNAL.replace("text.count", "text.cuont"),
            r"mine.py, line \d+, in <listcomp>: signal marks, on .*:\d+: Attr",
        ),
        (SIGNAL.replace('{"questions": [text', '{"question": [text'), "signal marks does not return 'questions'"),
        (SIGNAL.replace('text.count("?") for', "text for"), "signal marks: column questions is not int32"),
        (
            SIGNAL.replace(".to_pylist()]}\n", ".to_pylist()][1:]}\n"),
            r"column questions has \d+ rows for \d+ documents",
        ),
    ],
)
def test_what_a_signal_raises_or_answers_wrongly_is_told(tmp_path: Path, source: str, told: str) -> None:
    with pytest.raises(BuildError, match=told):
        small_site.build(tmp_path / "corpus", small_site.dump(tmp_path), plugins=[write(tmp_path, source)])


def test_the_row_at_fault_is_named(tmp_path: Path) -> None:
    source = SIGNAL.replace('text.count("?") for', "1 // (0 if 'skunk' in text else 1) for")
    with pytest.raises(BuildError, match=rf"signal marks, on {SITE}:100: ZeroDivisionError"):
        small_site.build(tmp_path / "corpus", small_site.dump(tmp_path), plugins=[write(tmp_path, source)])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def broken(:\n", r"mine.py, line 1: not valid Python"),
        ("import pyarrow\nnumber = 1 / 0\n", r"mine.py, line 2: ZeroDivisionError"),
        (SIGNAL.replace("def marks", "def language"), r"mine.py: signal 'language' is defined by socorpus already"),
        (SIGNAL.replace("def marks", "def shouting"), r"mine.py: signal 'shouting' is defined by .*mine.py already"),
        (SIGNAL.replace('("text",), version', '("score",), version'), r"signal marks reads 'score'; it may read kind"),
        (SIGNAL.replace("def shouting", "def shards"), r"\[shards\] is a section of ours"),
        ("import sys\nsys.exit(3)\n", r"mine.py, line 2: SystemExit: 3"),
        (SIGNAL.replace("def marks", "def documents"), r"signal documents: not a name that a signal can have"),
        (SIGNAL.replace('"questions": pa', '"post_id": pa'), r"'post_id' is not a name that a column can have"),
        (SIGNAL.replace("least: int = 1", "least: int"), r"signal shouting: Shouting.least needs a default value"),
    ],
)
def test_a_plugin_that_can_not_be_loaded_is_told_and_leaves_nothing(tmp_path: Path, source: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        plugins.load([write(tmp_path, source)])
    assert plugins.active() == () and "marks" not in SIGNALS
    plugins.load([write(tmp_path)])
    assert "marks" in SIGNALS


def test_two_plugins_must_not_define_one_name(tmp_path: Path) -> None:
    two = [write(tmp_path), write(tmp_path, SIGNAL.replace("def marks", "def others"), "second.py")]
    with pytest.raises(InputError, match=r"second.py: .*'shouting' is defined by .*mine.py too"):
        plugins.load(two)


def test_names_that_lead_nowhere_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("\0.py", "a" * 5000 + ".py"):
        with pytest.raises(InputError, match="a plug-in file that can't be read"):
            plugins.load([name], tmp_path)
    (tmp_path / "broken_package").mkdir()
    (tmp_path / "broken_package/__init__.py").write_text("raise RuntimeError('not today')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"'broken_package\.rules': its package fails: RuntimeError: not today"):
        plugins.load(["broken_package.rules"])
    with pytest.raises(InputError, match=r"nothing.py: there is no such plug-in file"):
        plugins.load([str(tmp_path / "nothing.py")])
    with pytest.raises(InputError, match=r"plug-in 'no.such.module': no such module"):
        plugins.load(["no.such.module"])
    toml = tmp_path / "socorpus.toml"
    toml.write_text('plugins = "mine.py"\n', "utf-8")
    with pytest.raises(InputError, match=r"plugins must be a list"):
        config.load(toml)
    toml.write_text(f"plugins = ['{Path(write(tmp_path)).name}']\n[shoutin]\nleast = 2\n", "utf-8")
    with pytest.raises(InputError, match=r"unknown key shoutin; did you mean shouting\? If \[shoutin\]"):
        config.load(toml)
    toml.write_text("plugins = ['mine.py']\n[shouting]\nmost = 2\n", "utf-8")
    with pytest.raises(InputError, match=r"unknown key shouting.most"):
        config.load(toml)
    toml.write_text("plugins = ['mine.py']\n[shouting]\nleast = 2\n", "utf-8")
    loaded = config.load(toml)
    assert loaded.section("shouting").least == 2 and loaded.plugins == ("mine.py",)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"reason": "Too loud"}, "a reason is written in small letters"),
        ({"reason": "too_short"}, "there is a rule of this reason already"),
        ({"reason": "near_duplicate"}, "there is a rule of this reason already"),
        ({"drop_if": "no_such > 1"}, "there is no column no_such"),
        ({"drop_if": "statistic.words > 1"}, "there is no table statistic, .*; did you mean statistics.words"),
        ({"drop_if": "mine.words > 1"}, "there is no table mine, as in mine.words; the tables are documents, "),
        ({"drop_if": "random() > 0.5 and score > 1"}, "random does not always answer the same"),
        ({"drop_if": 3}, r"selection.rules\[0\].drop_if must be text in quotes"),
        ({"dropif": "score > 1"}, r"unknown key selection.rules\[0\].dropif; did you mean"),
        ({"reason": None}, r"selection.rules\[0\].reason is missing"),
    ],
)
def test_a_rule_that_is_wrong_is_told_before_anything_is_read(tmp_path: Path, rule: dict[str, Any], told: str) -> None:
    given = {"reason": "mine", "drop_if": "score < 0", **rule}
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(InputError, match=told):
        small_site.build(tmp_path / "corpus", small_site.dump(tmp_path), selection={"rules": [given]})
    assert not (tmp_path / "corpus" / "receipts").exists()


def test_a_rule_that_fails_on_a_value_names_the_post(tmp_path: Path) -> None:
    rule = {"reason": "mine", "drop_if": "title IS NOT NULL AND CAST(title AS INTEGER) > 3"}
    with pytest.raises(BuildError, match=rf"selection rule 'mine', on {SITE}:1: .*Could not convert string"):
        small_site.build(tmp_path / "corpus", small_site.dump(tmp_path), selection={"rules": [rule]})


def test_rules_never_show_texts_of_documents(tmp_path: Path) -> None:
    rule = {"reason": "mine", "drop_if": "contains(documents.text, 'mash') OR contains(title, 'shop') AND score > 1"}
    root = tmp_path / "corpus"
    small_site.build(root, small_site.dump(tmp_path), selection={"rules": [rule]})
    (path,) = (root / "decisions").rglob("*.parquet")
    shown = [json.loads(row["evidence"]) for row in pq.read_table(path).to_pylist() if row["reason"] == "mine"]
    assert shown and all(set(evidence) == {"score"} for evidence in shown)


def test_plugins_of_a_corpus_are_remembered_for_their_user(tmp_path: Path) -> None:
    root, dump, given = tmp_path / "corpus", small_site.dump(tmp_path), write(tmp_path)
    facts = small_site.build(root, dump, plugins=[given])
    plugins.activate(())
    assert [plugin.name for plugin in plugin_memory.load(root, (), facts)[0]] == ["mine.py"]
    # Somebody else, or a corpus that was moved: it has to be named, and is never taken from the corpus.
    os.environ["XDG_STATE_HOME"] = str(tmp_path / "somebody else")
    with pytest.raises(InputError, match=r"built with the plug-in mine.py, which is not known here; name it with"):
        plugin_memory.load(root, (), facts)
    assert [plugin.name for plugin in plugin_memory.load(root, [given], facts)[0]] == ["mine.py"]


def made_with(root: Path, given: str, **more: object) -> dict[str, Any]:
    """The manifest of a corpus that a plug-in file defines something of, which is remembered for it."""
    root.mkdir()
    loaded = plugins.find([given])
    plugin_memory.remember(root, loaded)
    facts = manifests.manifest(plugins={plugin.name: plugin.identity for plugin in loaded}, **more)
    manifest_file.save(root, facts)
    return facts


def test_another_corpus_at_a_place_gets_nothing_that_was_remembered_for_it(tmp_path: Path) -> None:
    root = tmp_path / "corpus"
    made_with(root, write(tmp_path))
    assert use_plugins((), root) == ["mine.py"]
    manifest_file.save(root, manifests.manifest())
    assert use_plugins((), root, needed=True) == []


def test_a_plugin_whose_file_is_gone_is_named_with_what_heals_it(tmp_path: Path) -> None:
    root, given = tmp_path / "corpus", write(tmp_path)
    made_with(root, given)
    moved = tmp_path / "moved"
    moved.mkdir()
    Path(given).rename(moved / "mine.py")
    said = rf"{root}: built with the plug-in mine.py, whose file {given} is no longer there; name it with --plugin PATH"
    heals = rf"socorpus labeling apply {root} --without-plugin mine.py takes it out, or with --plugin replaces it"
    with pytest.raises(InputError, match=f"{said}.*{heals}"):
        use_plugins((), root, needed=True)
    # Who reads needs no code of it.
    with pytest.warns(SocorpusWarning, match=said):
        assert use_plugins((), root) == []
    assert use_plugins((), root, reads=()) == []
    assert use_plugins((), root, needed=True, without=["mine.py"]) == []
    with pytest.raises(InputError, match=r"has no plug-in other\.py; it has mine\.py"):
        use_plugins((), root, without=["other.py"])
    # The new place is enough, and a hint where this file was named for another corpus.
    assert use_plugins([str(moved / "mine.py")], root, needed=True) == ["mine.py"]
    made_with(tmp_path / "other", str(moved / "mine.py"))
    with pytest.raises(InputError, match=rf"name it with --plugin {moved}/mine.py \(named for another corpus before"):
        use_plugins((), root, needed=True)


def test_a_plugin_that_fails_does_not_keep_anybody_from_reading(tmp_path: Path) -> None:
    root, given = tmp_path / "corpus", write(tmp_path)
    made_with(root, given)
    Path(given).write_text("import nothing_of_this_name\n", "utf-8")
    with pytest.warns(SocorpusWarning, match=r"mine.py, which can't be used \(.*line 1: ModuleNotFoundError"):
        assert use_plugins((), root) == []
    with pytest.raises(InputError, match="line 1: ModuleNotFoundError"):
        use_plugins((), root, needed=True)


def test_a_build_without_the_plugin_says_what_goes(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    small_site.build(root, dump, plugins=[write(tmp_path)])
    assert plugins_left_out(root) == []
    plugins.activate(())
    assert plugins_left_out(root) == ["mine.py"]
    # A build that can't begin takes nothing out, and does not say so.
    before = hashes(root)
    done = socorpus("build", tmp_path / "nothing here", "-o", root, "--workers", 0, code=2)
    assert "not named this time" not in done.stderr and hashes(root) == before
    done = socorpus("build", dump, "-o", root, "--workers", 0, "--no-labels")
    assert "plug-in mine.py is not named this time: what it defines is removed from" in done.stderr
    assert plugins_left_out(root) == []


def test_a_configuration_that_names_none_keeps_those_of_use_plugins(tmp_path: Path) -> None:
    use_plugins([write(tmp_path)])
    assert config.load(overrides={"shouting": {"least": 4}}).section("shouting").least == 4
    assert config.load(overrides={"plugins": []}).plugins == () and "shouting" not in SIGNALS


def test_the_configuration_that_a_build_wrote_finds_its_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, root = tmp_path / "rules" / "mine.py", tmp_path / "corpora" / "corpus"
    mine.parent.mkdir()
    root.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    (root / "socorpus.toml").write_text(f"plugins = {json.dumps(written(root, write(mine.parent)))}\n", "utf-8")
    assert (root / "socorpus.toml").read_text("utf-8") == 'plugins = ["../../rules/mine.py"]\n'
    monkeypatch.chdir(root)
    assert load_config("socorpus.toml", overrides={"shouting": {"least": 3}}).plugins == ("mine.py",)
    # So it does where all of it was moved to.
    (tmp_path / "moved").mkdir()
    for name in ("rules", "corpora"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    assert load_config(tmp_path / "moved/corpora/corpus/socorpus.toml").plugins == ("mine.py",)
    (tmp_path / "moved/rules/mine.py").unlink()
    with pytest.raises(InputError, match=r"socorpus.toml: there is no plug-in file .*/moved/rules/mine.py, which the"):
        load_config(tmp_path / "moved/corpora/corpus/socorpus.toml")
    assert load_config(tmp_path / "moved/corpora/corpus/socorpus.toml", more_plugins=[write(tmp_path)]).plugins


def written(root: Path, *names: str) -> list[str]:
    """The plug-ins as a build at `root` writes them into its configuration."""
    plugins.load(names)
    return list(plugins.names_from(root))


def test_a_file_beside_the_corpus_and_one_far_away_are_named_without_their_place(tmp_path: Path) -> None:
    assert written(tmp_path, write(tmp_path)) == ["mine.py"]
    (tmp_path / "rules").write_text(SIGNAL, "utf-8")
    assert written(tmp_path, f"{tmp_path}/rules") == ["./rules"]
    # A way up to the root of the file system would say where things are on this machine.
    root = Path("/no such place/corpus")
    assert written(root, write(tmp_path)) == ["mine.py"]


def test_the_plugin_of_a_corpus_far_away_is_the_one_that_was_named_for_it(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    root, given = tmp_path / "corpus", write(tmp_path / "far")
    root.mkdir()
    (root / "socorpus.toml").write_text('plugins = ["mine.py"]\n', "utf-8")
    with pytest.raises(InputError, match=r"socorpus.toml: there is no plug-in file .*/corpus/mine.py"):
        load_config(root / "socorpus.toml")
    plugin_memory.remember(root, plugins.find([given]))
    load_config(root / "socorpus.toml")
    assert plugins.active()[0].path == given


def test_a_build_writes_such_a_configuration(tmp_path: Path) -> None:
    root, dump = tmp_path / "corpus", small_site.dump(tmp_path)
    facts = small_site.build(root, dump, plugins=[write(tmp_path)], shouting={"least": 3})
    assert (root / "socorpus.toml").read_text("utf-8").startswith('plugins = ["../mine.py"]\n')
    plugins.activate(())
    again = small_site.build_with(tmp_path / "again", load_config(root / "socorpus.toml"), dump, workers=0)
    assert again["signals"] == facts["signals"] and again["config"] == facts["config"]


def test_a_plugin_that_has_changed_is_told_where_its_tables_are_read(tmp_path: Path) -> None:
    root, changed = tmp_path / "corpus", SIGNAL.replace("> 0.5", "> 0.4")
    root.mkdir()
    (loaded,) = plugins.load([write(tmp_path)])
    entry = manifests.task(plugins={"mine.py": loaded.identity}, functions={"counts": {"version": 1, "votes": 0}})
    facts = manifests.manifest(plugins={"mine.py": loaded.identity}, signals={"shouting": {}, "marks": {}})
    manifest_file.save(root, facts | {"labels": {"length": entry}})
    assert use_plugins([write(tmp_path)], root) == ["mine.py"]
    labelled = "from socorpus.labeling import task, votes\ntask('length', {'a': '', 'b': ''})\n"
    # `marks` has a version of its own: another text of the file changes nothing about it.
    told = r"plug-in .*/mine.py has changed since .*/corpus was made: signals \(shouting\) are of its earlier version"
    with pytest.warns(SocorpusWarning, match=told + r" until socorpus build runs again$"):
        use_plugins([write(tmp_path, changed)], root)
    with pytest.warns(SocorpusWarning, match=told + r".*; labels \(length\) are of its .* labeling apply runs$"):
        use_plugins([write(tmp_path, changed + labelled)], root)
    with pytest.warns(SocorpusWarning, match=r"corpus was made: labels \(length\) are of its earlier version"):
        use_plugins([write(tmp_path, changed + labelled)], root, reads=("labels",))
    assert use_plugins([write(tmp_path, changed + labelled)], root, reads=()) == ["mine.py"]
    raised = "from socorpus.labeling import votes\n@votes('length', version=2)\ndef counts(threads):\n    return []\n"
    with pytest.warns(SocorpusWarning, match=r"corpus was made: labels \(length\) are"):
        use_plugins([write(tmp_path, raised)], root)
    assert use_plugins([write(tmp_path, raised.replace("version=2", "version=1"))], root) == ["mine.py"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("counts=lambda table: {'one': 'many'}", "mine.py: counts of signal marks: TypeError"),
        ("counts=lambda table: 1 // 0", "mine.py, line .*: counts of signal marks: ZeroDivisionError"),
        ("config=Few", r"\[marks\]: few is too many"),
        ("prepare=Preparation(lambda _: [1 // 0], print, print)", "mine.py, line .*: files of signal marks: ZeroDiv"),
        (
            "prepare=Preparation(lambda _: [], lambda c, p: {'a': p}, print)",
            "mine.py: prepare of signal marks: TypeErr",
        ),
        ("prepare=Preparation(lambda _: [], lambda c, p: {}, print)", "mine.py: prepare of signal marks wrote no file"),
        ("prepare=Preparation(lambda _: [], wrote, lambda p: 1 // 0)", "line .*: load of signal marks: ZeroDivision"),
    ],
)
def test_what_is_wrong_with_other_parts_of_a_signal_is_told(tmp_path: Path, more: str, told: str) -> None:
    source = PARTS_OF_A_SIGNAL + SIGNAL.replace("version=1)\n", f"version=1, {more})\n").replace(
        "def marks(documents", "def marks(documents, *_"
    )
    with pytest.raises((BuildError, InputError), match=told):
        small_site.build(tmp_path / "corpus", small_site.dump(tmp_path), plugins=[write(tmp_path, source)])


PARTS_OF_A_SIGNAL = """
from dataclasses import dataclass

from socorpus.corpus import Preparation


@dataclass(frozen=True)
class Few:
    few: int = 3

    def __post_init__(self):
        raise ValueError("few is too many")


def wrote(config, path):
    path.write_text("")
    return {}
"""


def test_a_configuration_and_other_plugins_are_refused(tmp_path: Path) -> None:
    named = config.load(overrides={"plugins": [write(tmp_path)]})
    config.load(overrides={"plugins": []})
    with pytest.raises(InputError, match=r"the configuration has the plug-ins mine.py, and active are none"):
        small_site.build_with(tmp_path / "corpus", named, small_site.dump(tmp_path), workers=0)


def test_a_script_is_told_to_become_a_file() -> None:
    program = SIGNAL + "\n"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "signal shouting: write it into a file, and name that as a plug-in" in done.stderr


PACKAGE = "from socorpus.corpus.signals.base import signal\nimport company.parts\n"
PARTS = SIGNAL.replace("def shouting", "def loudness")


def test_an_installed_package_is_loaded_by_its_entry_point(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "company").mkdir(parents=True)
    (site / "company" / "__init__.py").write_text(PACKAGE, "utf-8")
    (site / "company" / "parts.py").write_text(PARTS, "utf-8")
    about = site / "company_corpus-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: company-corpus\nVersion: 1.2\n", "utf-8")
    (about / "entry_points.txt").write_text("[socorpus.plugins]\ncompany = company\n", "utf-8")
    (about / "top_level.txt").write_text("company\n", "utf-8")
    program = (
        "from socorpus.corpus import plugins\nfrom socorpus.corpus.signals.base import SIGNALS\n"
        "import company\n"  # by somebody else, before
        "plugins.load([])\nprint(plugins.described(), SIGNALS.version('loudness'), SIGNALS.version('marks'))\n"
        "plugins.load(['company'])\nprint(len(plugins.active()))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first.startswith("[('company', 'company-corpus 1.2', ['")
    assert "'signal loudness', 'signal marks'" in first
    assert first.endswith("company-corpus 1.2 1") and second == "1"


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[" * 100_000,
        "[1]",
        '{"/a": 5}',
        '{"/a": null}',
        '{"/a": "mine.py"}',
        '{"/a": [1]}',
        b"\xff",
    ],
)
def test_a_damaged_memory_of_plugins_is_named_and_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | bytes
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    memory, root, given = tmp_path / "state/socorpus/plugins.json", tmp_path / "corpus", write(tmp_path)
    facts = made_with(root, given)
    data = content if isinstance(content, bytes) else content.encode()
    memory.write_bytes(data)
    with (
        pytest.warns(SocorpusWarning, match=r"plugins\.json: the memory of plug-ins is damaged .* --plugin"),
        pytest.raises(InputError, match=r"built with the plug-in mine\.py"),
    ):
        plugin_memory.load(root, (), facts)
    with pytest.warns(SocorpusWarning, match="is damaged"):
        plugin_memory.remember(root, plugins.find([given]))
    assert plugin_memory.remembered(root) == [given]
    assert memory.with_suffix(".damaged.json").read_bytes() == data


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to(path)])
def test_what_stands_in_the_place_of_the_memory_is_named_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    memory, root, given = tmp_path / "state/socorpus/plugins.json", tmp_path / "corpus", write(tmp_path)
    made_with(root, given)
    memory.unlink()
    make(memory)
    with pytest.warns(SocorpusWarning, match=r"plugins\.json: the memory of plug-ins is damaged"):
        assert plugin_memory.remembered(root) == []
    with pytest.warns(SocorpusWarning, match="is damaged"):
        plugin_memory.remember(root, plugins.find([given]))
    assert plugin_memory.remembered(root) == [given]


@pytest.mark.parametrize("place", ["/a\0b/mine.py", "/" + "x" * 5000 + "/mine.py", "/\ud800/mine.py"])
def test_remembered_places_that_can_be_none_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    root, given = tmp_path / "corpus", write(tmp_path)
    facts = made_with(root, given)
    memory = tmp_path / "state/socorpus/plugins.json"
    memory.write_text(json.dumps({str(root): [place], place: [place]}), "utf-8")
    with pytest.raises(InputError, match=r"built with the plug-in mine\.py, whose file .* is no longer there"):
        plugin_memory.load(root, (), facts)
    plugin_memory.remember(root, plugins.find([given]))
    assert json.loads(memory.read_text("utf-8")) == {str(root): [given]}


MOVES = """
import os
import pyarrow as pa
from socorpus.corpus import signal

os.chdir("/")

@signal({"letters": pa.int32()}, reads=("text",))
def moves(documents):
    os.chdir("/")
    return {"letters": [len(text) for text in documents["text"].to_pylist()]}
"""


def test_a_plugin_that_changes_the_working_directory_moves_no_path_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moves.py").write_text(MOVES, "utf-8")
    monkeypatch.chdir(tmp_path)
    plugins.load(["moves.py"])
    assert Path.cwd() == tmp_path
    documents = pa.table({"text": ["four"]})
    (plugin,) = plugins.active()
    find = SIGNALS["moves"].find
    assert find is not None
    answer = plugins.call(find, documents, plugin=plugin, name="moves")
    assert answer == {"letters": [4]} and Path.cwd() == tmp_path
    with pytest.raises(BuildError):
        plugins.call(lambda: os.chdir("/") or 1 / 0, plugin=plugin, name="moves")
    assert Path.cwd() == tmp_path
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert plugins.call(lambda: 1, plugin=plugin, name="moves") == 1
