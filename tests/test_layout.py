"""The shape of the project: what is packaged, who imports whom, what a bare start costs."""

import ast
import graphlib
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [name for name in ("corpus", "labeling", "training", "cli") if (ROOT / name).is_dir()]
MAY_IMPORT = {
    "corpus": set(),
    "labeling": {"corpus"},
    "training": {"corpus", "labeling"},
    "cli": {"corpus", "labeling", "training"},
}


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def test_a_wheel_has_every_file_of_the_packages(tmp_path: Path) -> None:
    shutil.rmtree(ROOT / "build", ignore_errors=True)  # of an earlier wheel, with files that have moved since
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("socorpus/")}
    tree = {
        f"socorpus/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == tree


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_in_one_direction(package: str) -> None:
    for path in sources(package):
        for name in imported(path):
            first, _, rest = name.partition(".")
            assert first not in PACKAGES, f"{path}: import socorpus.{name}"
            other = rest.partition(".")[0]
            if first == "socorpus" and other in PACKAGES and other != package:
                assert other in MAY_IMPORT[package], f"{path}: {package} must not import {other}"


def test_the_groups_of_tests_that_take_longest_are_there() -> None:
    assert [group for group in LONGEST if not (ROOT / group).exists()] == []


def test_help_answers_without_the_heavy_packages() -> None:
    code = (
        "import sys; sys.argv = ['socorpus', '--help']\n"
        "try:\n    from socorpus.cli.main import run; run()\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "heavy = {'numpy', 'pyarrow', 'dask', 'distributed', 'lxml', 'numba', 'scipy', 'torch'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "build" in shown.stdout


def test_pinned_versions_lie_in_the_ranges_of_the_project() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    pins = dict(
        line.lower().split("==")
        for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    )
    for line in wanted:
        requirement = Requirement(line)
        if requirement.name == "socorpus":  # its own extras
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"python_version": "3.11", "extra": ""}):
            continue  # the constraints are Python 3.11's
        pin = pins[requirement.name.lower()]
        assert requirement.specifier.contains(pin), f"{line}: pinned to {pin}"


def test_no_file_says_where_it_was_made() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in listed:
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and path.suffix in {".py", ".md", ".toml", ".txt", ".html", ""}:
            text = path.read_text("utf-8", errors="replace")
            assert "/wo" + "rk/" not in text, f"{name} has a path of one machine"


# --- the floors ------------------------------------------------------------------------------------------------------

MODULES = {
    ".".join(("socorpus", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for package in PACKAGES
    for path in sources(package)
}

FLOORS = (
    ("errors", "arrays", "lazy", "plugins", "words"),
    ("schema", "config", "toml_config"),
    ("engine", "storage"),
    ("privacy", "tokenizer"),
    ("dump", "documents"),
    ("signals", "dedup", "selection", "takedown"),
    ("shards",),
    ("stage",),  # every module named `stage` or `*_stage`, whatever its folder
    ("plan", "manifest", "dump_diff"),
    ("report",),
    ("diff",),
    ("pipeline", "finished", "installation", "schema_docs"),
    ("api",),
)
"""Rooms of corpus/ from the lowest floor to the highest. `sample`, which makes dumps, stands apart."""

KNOW_FILES = {
    # What a dump is read from; the rows and columns that are made of it know none.
    "dump.sources": "finds the sites' files",
    "dump.archives": "reads them",
    "dump.rows.parquet_rows": "reads one of their forms, by Arrow's own reader of files",
    "dump.rows.source_plugins": "hands the path of a file to a plug-in",
    # Files that are no corpus's, or not only a corpus's.
    "documents.author_names": "a table of names on the disk, of which few are needed at a time",
    "signals.benchmark_files": "reads the files of benchmarks that the user names",
    "signals.contamination": "indexes those files, and keeps the index for the workers",
    "signals.base": "says what a signal may make of files of the user's",
    "signals.language": "its model is a file of another package",
    "tokenizer.folder": "a tokenizer's folder, the user's or the corpus's",
    # Rows that the stages of the tokenizer, the shards and the labels read in the same way.
    "shards.split_files": "the splits as a file, and the decided rows with their splits",
}
"""Modules of the algorithms' rooms that know files, and why. All others take and give arrays, tables and texts."""

ROOMS_OF_ALGORITHMS = (
    *("privacy", "tokenizer", "dump", "documents", "signals", "dedup", "selection", "shards"),
    *("errors", "arrays", "schema"),
)
OF_FILES = ("socorpus.corpus.engine", "socorpus.corpus.storage", "dask", "distributed", "fsspec")
PATHS = ("pathlib", "os", "shutil", "glob", "pyarrow.parquet", "pyarrow.dataset")

MEANS = {
    "stage": "what a room hands the engine",
    "registry": "what a room has of a kind",
    "config": "the typed configuration of a package",
    "schema": "the tables of a package",
    "build": "the command, the build, and of documents their making",
    "api": "the functions of a package's Python API",
    "pipeline": "all steps in order: of a build, of labelling",
    "errors": "errors of a package",
    "settings": "of what one command does: fine-tuning, serving",
    "plan": "what is going to be done: of a build, of labelling, of a training run",
    "explain": "all that is known of one post: from the corpus, from its labels",
    "functions": "the labelling functions: how they are written, those of a task, how good they are",
    "rules": "a list of rules that are tried in turn: of personal data, of selection",
    "spans": "stretches of a text",
    "card": "the README.md of a model",
    "validation": "in training, held-out loss; in Label Studio, checks before anything is sent",
}
"""Names that more than one module has, and what they mean."""


def room(module: str) -> str:
    return module.removeprefix("socorpus.corpus.").partition(".")[0]


def is_stage(module: str) -> bool:
    name = module.rpartition(".")[2]
    return module.count(".") == 3 and (name == "stage" or name.endswith("_stage"))


def floor(module: str) -> int:
    name = "stage" if is_stage(module) else room(module)
    floors = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    assert floors, f"{module}: not in FLOORS; on which floor is it?"
    return floors[0]


def internal_imports(module: str) -> set[str]:
    """Modules of ours that a module imports anywhere: at its top, in functions, for types."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found |= {name for name in (f"{node.module}.{alias.name}", str(node.module)) if name in MODULES}
                # `from package import module` needs of the package only its module.
                if f"{node.module}.{alias.name}" in MODULES and MODULES[str(node.module)].name == "__init__.py":
                    found.discard(str(node.module))
    return found - {module}


IMPORTS = {module: internal_imports(module) for module in MODULES}


def corpus_modules() -> list[str]:
    return [name for name in MODULES if name.startswith("socorpus.corpus.") and room(name) != "sample"]


def test_nothing_of_the_corpus_imports_from_a_higher_floor() -> None:
    for module in corpus_modules():
        for other in IMPORTS[module]:
            if other.startswith("socorpus.corpus."):
                if room(other) == "sample":
                    assert room(module) == "api", f"{module}: {other} stands apart"
                    continue
                assert floor(other) <= floor(module), f"{module} must not import {other}, which is on a higher floor"


def test_sample_stands_apart() -> None:
    for module in (name for name in MODULES if name.startswith("socorpus.corpus.sample.")):
        others = {name for name in IMPORTS[module] if not name.startswith("socorpus.corpus.sample.")}
        known = {"socorpus.corpus.errors", "socorpus.corpus.storage.json_lines", "socorpus.corpus.words.words"}
        assert others <= known, f"{module}: {others}"


def test_algorithms_know_neither_files_nor_dask() -> None:
    excepted = set()
    for module in corpus_modules():
        if is_stage(module) or room(module) not in ROOMS_OF_ALGORITHMS:
            continue
        names = imported(MODULES[module])
        known = {name for name in names for of in (*OF_FILES, *PATHS) if name == of or name.startswith(f"{of}.")}
        short = module.removeprefix("socorpus.corpus.")
        if short in KNOW_FILES and known:
            excepted.add(short)
        else:
            assert not known, f"{module}: an algorithm knows no {', '.join(sorted(known))}; that is its stage's"
    assert excepted == set(KNOW_FILES), f"no exception is needed for {set(KNOW_FILES) - excepted}"


def test_nobody_imports_the_stage_of_another_package() -> None:
    for module, others in IMPORTS.items():
        if module == "socorpus.corpus.pipeline":  # which puts them in order
            continue
        for other in filter(is_stage, others):
            assert other.rpartition(".")[0] == module.rpartition(".")[0], f"{module} must not import {other}"


def test_no_imports_go_in_circles() -> None:
    graphlib.TopologicalSorter(IMPORTS).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_hands_on_and_defines_nothing(package: str) -> None:
    for path in sources(package):
        if path.name != "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                # What a lazy package needs to hand on.
                assert node.name in ("__getattr__", "__dir__"), f"{path} defines {node.name}"


def test_no_folder_is_crowded() -> None:
    for folder in {path.parent for path in MODULES.values()}:
        assert len(list(folder.glob("*.py"))) <= 16, f"{folder}: more than 16 files; part them"


def test_a_name_that_occurs_twice_means_one_thing() -> None:
    names = Counter(path.stem for path in MODULES.values() if path.name != "__init__.py")
    several = {name for name, count in names.items() if count > 1}
    assert several <= set(MEANS), f"{several - set(MEANS)}: two modules of one name"


@pytest.mark.parametrize("package", PACKAGES)
def test_private_names_stay_in_their_module(package: str) -> None:
    for path in sources(package):
        tree = ast.parse(path.read_text("utf-8"))
        modules = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("socorpus"):
                for alias in node.names:
                    private = alias.name.startswith("_") and not alias.name.startswith("__")
                    assert not private, f"{path}: {node.module}.{alias.name} is private"
                    if f"{node.module}.{alias.name}" in MODULES:
                        modules.add(alias.asname or alias.name)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
                private = node.attr.startswith("_") and not node.attr.startswith("__")
                assert not private, f"{path}:{node.lineno}: {node.value.id}.{node.attr} is private"


def test_no_process_imports_from_the_current_folder() -> None:
    """Which may be a stranger's: `-P` keeps it off the path of a Python that is started with `-c` or `-m`."""
    commands = [
        (f"{path}:{node.lineno}", {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)})
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Expr | ast.Assign)
        and ("sys.executable" in ast.unparse(node) or "'-m'" in ast.unparse(node))
    ]
    assert len(commands) >= 4
    assert not [place for place, words in commands if "-P" not in words]


# --- the storage room ------------------------------------------------------------------------------------------------

FILE_CALLS = {
    *("open", "read_text", "write_text", "read_bytes", "write_bytes", "touch", "unlink", "rename", "symlink_to"),
    *("mkdir", "rmdir", "stat", "glob", "rglob", "iterdir", "exists", "is_file", "is_dir", "chmod"),
    *("rmtree", "copytree", "copyfile", "copy2", "move", "walk", "scandir", "listdir", "makedirs", "remove"),
    *("ParquetFile", "ParquetWriter", "read_table", "write_table", "read_schema", "read_metadata", "OSFile"),
    *("memory_map", "savez", "savez_compressed", "flock", "TemporaryFile", "NamedTemporaryFile", "mkdtemp"),
}
"""Functions of pathlib, os, shutil, numpy and pyarrow that go to the disk, by their last name."""

OWN_FILES = {
    # What a corpus is made of, not what it is.
    "corpus.dump.archives": "a dump's files",
    "corpus.dump.sources": "a dump's files",
    "corpus.dump.rows.parquet_rows": "a dump's files",
    "corpus.dump.compression.zip_tar": "a dump's files",
    "corpus.signals.benchmark_files": "benchmark files that the user names",
    "corpus.signals.language": "the model of another package",
    "corpus.tokenizer.folder": "whether the user names a tokenizer's folder or its file",
    "corpus.sample": "dumps that are made up",
    # The program's own.
    "training.pretrain.launch": "the system's account of processes",
    "corpus.selection.memory_limit": "the system's account of this process",
    "corpus.plugins": "the user's plug-ins",
    "corpus.toml_config": "the user's configuration",
    "corpus.schema_docs": "pages of the documentation",
    "corpus.report.page": "the page's template",
    "corpus.report.run_log": "a log that the user names, to which lines are appended",
    "corpus.diff": "a list of posts that the user names",
    "corpus.engine.compiling": "numba's cache",
    "corpus.engine.machine": "the system's account of what this process may use",
    "corpus.words": "tables that are part of the package, and the database that they are made from",
    "labeling.tasks.entities.gazetteers": "lists that are part of the package",
    "labeling.tasks.entities.learned": "weights that are part of the package",
    # Label Studio's and its projects'.
    "labeling.label_studio.server": "the server's own environment and data",
    "labeling.label_studio.credentials": "the server's own data",
    "labeling.label_studio.state": "an SQLite file, which SQLite locks and writes",
    # What goes out of a corpus, and benchmarks that come in.
    "labeling.export": "an export's folder, for other programs",
    "labeling.publishing": "a published folder, for other programs",
    "labeling.judgements.sheet": "a file that people fill in",
    "labeling.datasets": "benchmarks that the user names",
    # Runs, models and tables, which have folders of their own.
    "training.devices": "the system's account of its driver",
    "training.examples.benchmarks": "benchmarks that the user names",
    "training.examples.readers": "says of a path of the user's which reader is for it",
    "training.pretrain.log": "a run's log, some of whose bytes may be damaged",
    "training.pretrain.run": "a run's folder",
    "training.run_store": "a run's folder",
    "training.folder_lock": "a run's or a model's folder",
    "training.checkpoint_metadata": "a run's folder",
    "training.saved_hashes": "a run's or a model's folder",
    "training.pretrain.checkpoint": "a run's folder",
    "training.pretrain.cost": "a table that is part of the package",
    "training.export": "a model's folder",
    "training.finetuning": "a model's folder",
    "training.initial": "a model's folder, or a run's",
    "training.evaluation": "a comparison's folder",
    "training.api": "a configuration on its way to the ranks",
    "training.llm": "the cache of answers",
    "training.ablation": "an ablation's page",
}
"""Modules and rooms that go to the disk themselves, and for which files. A corpus's go through `corpus.storage`."""


def goes_to_disk(path: Path) -> set[str]:
    """The calls of a module that go to the disk, by name and line."""
    tree = ast.parse(path.read_text("utf-8"))
    ours = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("socorpus"):
            ours |= {alias.asname or alias.name for alias in node.names}
    calls = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            name = node.func.id if node.func.id not in ours else ""
        elif isinstance(node.func, ast.Attribute):
            of = node.func.value
            name = node.func.attr if not (isinstance(of, ast.Name) and of.id in ours) else ""
        else:
            continue
        if name in FILE_CALLS or ast.unparse(node.func) in ("np.load", "np.save", "np.fromfile", "np.memmap"):
            calls.add(f"{name} ({node.lineno})")
    return calls


def test_the_files_of_a_corpus_go_through_the_storage_room() -> None:
    needed = set()
    for module, path in MODULES.items():
        short = module.removeprefix("socorpus.")
        if short.startswith(("corpus.storage.", "cli")):
            continue
        calls = goes_to_disk(path)
        excepted = {name for name in OWN_FILES if short == name or short.startswith(f"{name}.")}
        if calls and excepted:
            needed |= excepted
        else:
            assert not calls, f"{module}: {', '.join(sorted(calls))}; read and write a corpus by way of corpus.storage"
    assert needed == set(OWN_FILES), f"no exception is needed for {set(OWN_FILES) - needed}"


# --- the words (docs/glossary.md) ------------------------------------------------------------------------------------

RULED_OUT = {
    "variables": {"one", "found", "made", "at", "said", "told", "several"},
    "classes": {"State", "Plan", "Context", "Line", "Show", "Rows", "Settings"},
}


def glossary() -> str:
    return (ROOT / "docs" / "glossary.md").read_text("utf-8").partition("## Ruled out in the code")[2]


def names_of(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Line, kind and name of every variable, parameter and class; fields have their class to explain them."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = {id(part.target) for node in classes for part in node.body if isinstance(part, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in fields:
            yield node.lineno, "variables", node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, "variables", node.arg
        elif isinstance(node, ast.ClassDef):
            yield node.lineno, "classes", node.name.lstrip("_")


@pytest.mark.parametrize("package", PACKAGES)
def test_names_say_what_they_hold(package: str) -> None:
    wrong = [
        f"{path}:{line}: {name}"
        for path in sources(package)
        for line, kind, name in names_of(ast.parse(path.read_text("utf-8")))
        if name in RULED_OUT[kind]
    ]
    assert not wrong, "names that say nothing: " + ", ".join(wrong)


def test_what_is_ruled_out_stands_in_the_glossary() -> None:
    for names in RULED_OUT.values():
        for name in names:
            assert f"`{name}`" in glossary(), f"docs/glossary.md does not rule out {name}"


def test_the_engine_runs_work_items_and_no_tasks() -> None:
    """A task is a labelling task; in corpus/ only the readers of its labels have that name."""
    for module in (name for name in MODULES if name.startswith("socorpus.corpus.")):
        if module == "socorpus.corpus.finished":
            continue
        for line, _, name in names_of(ast.parse(MODULES[module].read_text("utf-8"))):
            assert not {"task", "tasks"} & set(name.lower().split("_")), f"{MODULES[module]}:{line}: {name}"
