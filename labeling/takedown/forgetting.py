"""A takedown on one page: from a list to a corpus, its votes, Label Studio and published folders without it.

    record       what is asked, what it touches, and the corpus as it was; from here on builds leave it out, too
    annotations  what people and models said of these posts
    corpus       made anew from its own tables, and switched to
    studio       tasks of these posts, deleted from the server
    published    folders made anew
    trained      runs and models that learned from the corpus as it was, told

Every step may be repeated: a call that was stopped, or that did not reach a server, is taken up by the next one.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import config as configs
from socorpus.corpus import pipeline as corpus_pipeline
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.work import Show
from socorpus.corpus.errors import InputError, SocorpusError
from socorpus.corpus.storage import files, generations, integrity, parquet
from socorpus.corpus.storage import lock as corpus_lock
from socorpus.corpus.takedown import gone, lists, proof, removals, touched
from socorpus.corpus.takedown.removals import POST, THREAD, Name
from socorpus.labeling import pipeline
from socorpus.labeling.label_studio import state as studio_state
from socorpus.labeling.publishing import publication, published_folder
from socorpus.labeling.takedown import annotations, deletion, record, trained

if TYPE_CHECKING:
    from socorpus.labeling.label_studio.client import Client

Connect = Callable[[], "AbstractContextManager[Client]"]


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        list_file: a file of `lists`.
        dump: sites of a newer dump; what it lacks goes.
        dump_names: how the user named it.
        threads: whether with a question its whole thread goes.
        published: folders of `socorpus publish`.
        runs: folders with runs and models, beside `CORPUS/runs`.
    """

    list_file: Path | None = None
    dump: Sequence[Site] = ()
    dump_names: Sequence[str] = ()
    threads: bool = False
    published: Sequence[Path] = ()
    runs: Sequence[Path] = ()


@dataclass
class Forgotten:
    """What was forgotten; of a dry run, what would be.

    Attributes:
        record: the file in the corpus that says it; None of a dry run.
        counts: posts, threads, authors and comments that were there.
        absent: keys that were asked for and are in no table.
        changed: posts that stay, and lost comments, or their question's title.
        twins: posts that had been dropped as duplicates of one that goes: they are judged anew.
        rows: by table, rows before and after.
        annotations: votes of people and models that went, by file.
        tasks: tasks deleted from Label Studio, by project.
        published: folders that were made anew.
        hub: of these, the data sets on a hub that they were sent to: what is there stays as it is.
        trained: runs and models that learned from the corpus as it was.
        pending: sentences on what is left to do.
    """

    record: Path | None
    counts: dict[str, int] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    twins: list[str] = field(default_factory=list)
    rows: dict[str, tuple[int, int]] = field(default_factory=dict)
    annotations: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, int] = field(default_factory=dict)
    published: list[str] = field(default_factory=list)
    hub: dict[str, str] = field(default_factory=dict)
    trained: list[dict[str, Any]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)


def forget(
    root: Path,
    request: Request,
    connect: Connect,
    workers: int | None = None,
    scheduler: str | None = None,
    dry_run: bool = False,
    show: Show | None = None,
) -> Forgotten:
    """Remove what is asked for from the corpus at `root`; arguments and errors as of `api.forget`."""
    tree = generations.finished(root)
    facts = integrity.finished(root, tree)
    for folder in request.published:
        published = published_folder.read(folder)
        if published is not None and published["corpus"]["sites"] != sorted(facts["sites"]):
            raise InputError(
                f"{folder}: published from a corpus of {', '.join(published['corpus']['sites'])}, and {root} has "
                f"{', '.join(sorted(facts['sites']))}; name it with the corpus that it is of"
            )
        if published is None and not files.exists(folder / published_folder.MAKING):
            raise InputError(f"{folder}: not a folder that socorpus publish wrote, or not whole; name one that is")
    # Before anything is done: a command that is stopped must find its list as it was.
    asked = _asked(root, tree, facts, request, workers, scheduler, show)
    if dry_run:
        return _expected(root, tree, facts, asked, request)
    integrity.require(root, tree, facts["files"])
    with files.locked(root / removals.FOLDER / ".lock"):
        places = record.load_all(root)
        open_ones = [(path, of) for path, of in places if not of["settled"]]
        own: tuple[Path, dict[str, Any]] | None = None
        if asked:
            digest = files.fingerprint([sorted(asked), request.threads])
            own = next(((path, of) for path, of in open_ones if of["request"] == digest), None)
            if own is None:
                own = _begin(root, tree, facts, asked, digest, request, [path for path, _ in places])
        elif not open_ones and not request.published:
            raise InputError(
                f"{root}: nothing to forget, and nothing is left to do of what was asked before; name a list (--list), "
                "or a newer dump (--gone)"
            )
        todo = [
            *(entry for entry in open_ones if own is None or entry[0] != own[0]),
            *([own] if own is not None else []),
        ]
        _remove(root, tree, facts, todo, workers, scheduler, show)
        facts = integrity.finished(root, generations.finished(root))
        todo = [(path, record.end(of, facts) if not of["finished"] else of) for path, of in todo]
        for path, of in todo:
            record.save(path, of)
        unreached = _in_studio(root, todo, connect)
        published = _publish_again(root, [of for _, of in todo], request, workers, scheduler, show)
        _tell_trained(root, [of for _, of in places], [of for _, of in todo], request)
        with corpus_lock.lock(root):
            generations.remove_old(root)
        for path, of in todo:
            of["published"] |= published
            of["pending"] = [what for what, _ in _pending(root, of, facts)]
            of["settled"] = not of["pending"]
            record.save(path, of)
    left = [line for _, of in todo for _, line in _pending(root, of, facts, unreached)]
    left += _published_before(root, [of for _, of in places], published, facts)
    return _result(root, todo, own, published, list(dict.fromkeys(left)))


def _asked(
    root: Path,
    tree: Path,
    facts: Mapping[str, Any],
    request: Request,
    workers: int | None,
    scheduler: str | None,
    show: Show | None,
) -> dict[Name, str]:
    """What is named in a list, and what is gone from a newer dump; with `threads`, posts as their threads."""
    asked: dict[Name, str] = {}
    if request.list_file is not None:
        hosts = {site: of["host"] for site, of in facts["sites"].items()}
        asked |= dict.fromkeys(lists.read(request.list_file, hosts), touched.LISTED)
        if request.threads:
            asked = {name._replace(kind=THREAD) if name.kind == POST else name: why for name, why in asked.items()}
    if request.dump:
        config = configs.of_corpus(facts["config"])
        place = root / removals.FOLDER / ".newer"
        files.remove(place)
        try:
            with Engine(place, workers, scheduler, show) as engine:
                sites = gone.of_corpus(facts, request.dump)
                read = corpus_pipeline.read_tables(place, sites, config, engine)
                lacking = gone.find(tree, facts, sites, place, read)
        finally:
            files.remove(place)
        asked |= {name: touched.GONE for name in lacking if name not in asked}
        if not lacking and request.list_file is None:
            raise InputError(
                f"no post of {root} is gone from {', '.join(request.dump_names)}: there is nothing to forget"
            )
    return asked


def _begin(
    root: Path,
    tree: Path,
    facts: Mapping[str, Any],
    asked: Mapping[Name, str],
    digest: str,
    request: Request,
    places: Iterable[Path],
) -> tuple[Path, dict[str, Any]]:
    """Look what is touched, and write that down: then builds leave it out, whatever becomes of this process."""
    seen = touched.find(tree, facts, asked)
    source: dict[str, Any] = {"threads": request.threads}
    if request.list_file is not None:
        source |= {"list": request.list_file.name, "sha256": files.sha256(request.list_file)}
    if request.dump:
        stamps = {site.name: {table.table: table.member.stamp for table in site.tables} for site in request.dump}
        source |= {"gone_from": [Path(name).name for name in request.dump_names], "inputs": files.fingerprint(stamps)}
    held = {trained.fingerprint(facts): _in_shards(tree, facts, seen.posts())}
    of = record.begin(root, digest, source, seen, facts, held)
    of["label_studio"]["projects"] = deletion.projects(root)
    of["published"] = {record.seen_from(root, folder): _as_published(folder) for folder in request.published}
    path = record.next_place(root, places)
    record.save(path, of)
    return path, of


def _as_published(folder: Path) -> dict[str, Any]:
    """A published folder as it is: its format, the data set on the hub that it is for, and the hashes of its files."""
    facts = published_folder.read(folder) or {"files": {}}
    kept: dict[str, Any] = {name: facts[name] for name in ("format", "push") if name in facts}
    return {**kept, "before": {path: entry["sha256"] for path, entry in facts["files"].items()}}


def _in_shards(tree: Path, facts: Mapping[str, Any], posts: Collection[Name]) -> int:
    """How many of some posts are in the shards."""
    wanted = {(name.site, name.id) for name in posts}
    numbers = pa.array(sorted({number for _, number in wanted}), pa.int64())
    count = 0
    for path in facts["files"] if wanted else ():
        if path.startswith("shards/"):
            rows = parquet.read(tree / path, columns=["site", "post_id"])
            rows = rows.filter(pc.is_in(rows["post_id"], numbers))
            count += sum((row["site"], row["post_id"]) in wanted for row in rows.to_pylist())
    return count


def _remove(
    root: Path,
    tree: Path,
    facts: Mapping[str, Any],
    todo: Sequence[tuple[Path, dict[str, Any]]],
    workers: int | None,
    scheduler: str | None,
    show: Show | None,
) -> None:
    """Take out of annotations and corpus what the records say that are not finished."""
    left = [(path, of) for path, of in todo if not of["finished"]]
    if not left:
        return
    for path, of in left:
        because = {record.name_of(key): why for key, why in of["because"].items()}
        removals.add(root, because, path.name)
        posts = [name for name in because if name.kind == POST]
        changed = [record.name_of(key) for key in of["changed"]]
        keys = {name.key for name in (*posts, *changed)}
        of["label_studio"]["annotations_here"] = studio_state.forget_posts(root, keys)
        for place, rows in annotations.clear(root, tree, facts, posts, changed).items():
            of["annotations"][place] = of["annotations"].get(place, 0) + rows
        of["tasks_pending"] = sorted(keys) if of["label_studio"]["projects"] else []
        record.save(path, of)
    tasks = list(facts.get("labels", {}))
    with Engine(root, workers, scheduler, show) as engine:
        corpus_pipeline.forget(root, engine, pipeline.relabelled(tasks) if tasks else None)


def _in_studio(root: Path, todo: Iterable[tuple[Path, dict[str, Any]]], connect: Connect) -> str:
    """Delete the tasks that records say are left; what kept the server from it, if anything did."""
    left = [(path, of) for path, of in todo if of["tasks_pending"]]
    if not left:
        return ""
    try:
        with connect() as client:
            for path, of in left:
                done = deletion.delete(root, client, of["label_studio"]["projects"], of["tasks_pending"])
                for number, count in done.tasks.items():
                    counted = of["label_studio"]["deleted"]
                    counted[str(number)] = counted.get(str(number), 0) + count
                of["label_studio"]["absent"] = done.absent
                of["tasks_pending"] = []
                record.save(path, of)
    except SocorpusError as error:
        return str(error)
    return ""


def _publish_again(
    root: Path,
    records: Iterable[Mapping[str, Any]],
    request: Request,
    workers: int | None,
    scheduler: str | None,
    show: Show | None,
) -> dict[str, dict[str, Any]]:
    """Make the folders that are named now, or were when a record began, anew from the corpus in their formats."""
    named = {folder: entry for of in records for folder, entry in of["published"].items()}
    more = {record.seen_from(root, folder): folder for folder in request.published}
    named |= {place: _as_published(folder) for place, folder in more.items() if place not in named}
    done: dict[str, dict[str, Any]] = {}
    for place, before in named.items():
        folder = record.place_of(root, place)
        if not files.exists(folder / published_folder.NAME) and not files.exists(folder / published_folder.MAKING):
            done[place] = {**before, "gone": True}
            continue
        # A stop between the old files and the new ones leaves the folder without its PUBLISHED.json.
        now = {**before, **_as_published(folder), "before": before["before"]}
        publication.publish(root, folder, now["format"], now.get("push"), workers, scheduler, False, show, upload=False)
        after = _as_published(folder)["before"]
        done[place] = {
            **now,
            "before": {path: of for path, of in before["before"].items() if after.get(path) != of},
            "after": {path: of for path, of in after.items() if before["before"].get(path) != of},
        }
    return done


def _tell_trained(
    root: Path, earlier: Iterable[Mapping[str, Any]], todo: Iterable[dict[str, Any]], request: Request
) -> None:
    held: dict[str, int] = {}
    own = list(todo)
    for of in (*earlier, *own):
        for known, posts in of["held"].items():
            held[known] = max(held.get(known, 0), posts)
    learners = list(
        trained.find([root / "runs", *request.runs], {k: n for k, n in held.items() if n}, root.absolute().name)
    )
    for of in own:
        of["trained"] = [{**entry, "folder": record.seen_from(root, Path(entry["folder"]))} for entry in learners]


def _pending(root: Path, of: Mapping[str, Any], facts: Mapping[str, Any], why: str = "") -> Iterator[tuple[str, str]]:
    """What is left to do of a record: in a word, for the record, and as a sentence.

    Args:
        why: the server of Label Studio was not reached.
    """
    if of["tasks_pending"]:
        line = (
            f"tasks of {len(of['tasks_pending']):,} posts may still be in Label Studio "
            f"({why or 'it was not reached'}); socorpus forget {root} --url ADDRESS deletes them"
        )
        yield "label_studio", line
    for place, entry in of["published"].items():
        folder = record.place_of(root, place)
        if not entry.get("gone") and files.exists(folder) and not publication.is_of(folder, facts):
            yield f"published {place}", _not_of(root, folder)
    for tree in generations.others(root):
        line = (
            f"{tree}: the corpus as it was is still read by a process; when that has ended, socorpus forget {root} "
            "removes it"
        )
        yield f"generation {tree.name}", line


def _not_of(root: Path, folder: Path) -> str:
    return f"{folder}: not of the corpus as it is now; socorpus forget {root} --published {folder} makes it anew"


def _published_before(
    root: Path, records: Iterable[Mapping[str, Any]], done: Collection[str], facts: Mapping[str, Any]
) -> Iterator[str]:
    """Folders that were named with earlier requests, and not with this one."""
    for place in dict.fromkeys(place for of in records for place in of["published"] if place not in done):
        folder = record.place_of(root, place)
        if files.exists(folder) and not publication.is_of(folder, facts):
            yield _not_of(root, folder)


def _expected(
    root: Path, tree: Path, facts: Mapping[str, Any], asked: Mapping[Name, str], request: Request
) -> Forgotten:
    """What would be forgotten; nothing is written."""
    if not asked:
        left = [line for _, of in record.load_all(root) for _, line in _pending(root, of, facts)]
        return Forgotten(None, pending=list(dict.fromkeys(left)))
    seen = touched.find(tree, facts, asked)
    held = {trained.fingerprint(facts): _in_shards(tree, facts, seen.posts())}
    runs = trained.find([root / "runs", *request.runs], {k: n for k, n in held.items() if n}, root.absolute().name)
    return Forgotten(
        None,
        record.counts(seen),
        [name.key for name in seen.absent],
        [name.key for name in seen.changed],
        [name.key for name in seen.twins],
        published=[str(folder) for folder in request.published],
        trained=list(runs),
    )


def _result(
    root: Path,
    todo: Sequence[tuple[Path, dict[str, Any]]],
    own: tuple[Path, Any] | None,
    published: Mapping[str, Any],
    left: list[str],
) -> Forgotten:
    renewed = [str(record.place_of(root, place)) for place, entry in published.items() if "after" in entry]
    sent = {str(record.place_of(root, place)): of["push"] for place, of in published.items() if "push" in of}
    path, of = next(
        (entry for entry in todo if own is not None and entry[0] == own[0]), todo[-1] if todo else (None, None)
    )
    if of is None:
        return Forgotten(None, published=renewed, hub=sent, pending=left)
    before, after = of["before"]["rows"], of["after"]["rows"]
    return Forgotten(
        path,
        of["counts"],
        of["absent"],
        of["changed"],
        of["twins"],
        {name: (before.get(name, 0), after.get(name, 0)) for name in sorted(before.keys() | after.keys())},
        of["annotations"],
        of["label_studio"]["deleted"],
        renewed,
        sent,
        [{**entry, "folder": str(record.place_of(root, entry["folder"]))} for entry in of["trained"]],
        left,
    )


def check(root: Path) -> list[str]:
    """What is left of everything that was ever to be forgotten: a line for each file, folder or server; none if nothing
    is.

    Raises:
        InputError: there is no finished corpus, or nothing was ever forgotten there.
    """
    tree = generations.finished(root)
    facts = integrity.finished(root, tree)
    records = record.load_all(root)
    removed = removals.load(root)
    if not records and not removed:
        raise InputError(f"{root}: nothing was ever forgotten there, so there is nothing to check")
    lines = list(proof.remaining(root, removed))
    for path, of in records:
        if not of["finished"]:
            lines.append(f"{path.relative_to(root)}: begun and not finished; socorpus forget {root} goes on with it")
        if of["tasks_pending"]:
            lines.append(
                f"Label Studio: tasks of {len(of['tasks_pending']):,} posts; socorpus forget {root} deletes them"
            )
        for place, entry in of["published"].items():
            folder = record.place_of(root, place)
            if not entry.get("gone") and files.exists(folder) and not publication.is_of(folder, facts):
                lines.append(f"{folder}: published, and not of the corpus as it is now")
    return list(dict.fromkeys(lines))


def lift(root: Path, list_file: Path) -> list[str]:
    """Let later builds take in again what a list names; keys of all that was lifted.

    Raises:
        InputError: there is no corpus, the list is wrong, or nothing of it was removed.
    """
    facts = integrity.finished(root, generations.finished(root))
    names = lists.read(list_file, {site: of["host"] for site, of in facts["sites"].items()})
    wanted = [*names, *(name._replace(kind=THREAD) for name in names if name.kind == POST)]
    with files.locked(root / removals.FOLDER / ".lock"):
        lifted = removals.lift(root, wanted)
    if not lifted:
        raise InputError(f"{list_file}: nothing of what it names was removed from {root}")
    return [name.key for name in lifted]
