"""A finished corpus -> a folder for others, on one page; each step with receipts like a build's.

    documents    a shard          -> data/documents: the shard without its tokens
    tokens       a split          -> data/documents-SPLIT.bin and .idx (Megatron; nothing else then, but the tokenizer)
    routed       a shard          -> its rows, sent to the parts of their threads, where its split has several
    linked       a site           -> the links of its posts
    threads      a part           -> data/pairs and the other tables of whole threads, attribution of posts
    names        a site           -> the names of its users
    comments     some buckets     -> attribution of comments
    labels       a task, buckets  -> data/labels-TASK

A part has whole threads of one split: some of a large site, or all of several small ones. Its rows are in an order of
their own hashes, so files are the same for any number of workers. Texts come from shards and labels alone; of
`documents` and the tables only numbers, names, licences and addresses are read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.engine.receipts import Output, Receipt
from socorpus.corpus.engine.work import Show, WorkItem
from socorpus.corpus.errors import BuildError, InputError
from socorpus.corpus.schema import SHARDS, SPLITS
from socorpus.corpus.storage import files, integrity, parquet
from socorpus.corpus.storage.buckets import listed
from socorpus.corpus.tokenizer import folder as tokenizer_folder
from socorpus.labeling import schema
from socorpus.labeling.publishing import (
    file_formats,
    folder_texts,
    hub,
    making,
    published_folder,
    published_tables,
)
from socorpus.labeling.publishing.file_formats import FORMATS, MEGATRON
from socorpus.labeling.publishing.folder_texts import Contents
from socorpus.labeling.publishing.parts import lay_out, numbered
from socorpus.labeling.publishing.published_tables import DATA, LABELS, TABLES, PublishedTable
from socorpus.labeling.schema import Task

_FOLDERS = (
    *("shards", "tokenizer", "labels", "documents", "decisions"),
    *("tables/comments", "tables/users", "tables/links"),
)
"""Folders of a corpus that are read."""
_GROUP = 48_000_000
"""Bytes of documents, compressed, of whose buckets the labels or the comments go to a file."""
_BYTES_A_SECOND = 8e6
"""Of text, on one core; a guess for the choice of workers."""


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        folder: where it lies.
        rows: rows of each table by split.
        bytes: of all files.
        ran: work items that ran; the others were done already.
        address: of the data set on the hub, where it was sent there.
    """

    folder: Path
    rows: Mapping[str, Mapping[str, int]]
    bytes: int
    ran: int
    address: str | None = None


def publish(
    root: Path,
    folder: Path,
    form: str = file_formats.PARQUET,
    push: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    show: Show | None = None,
    upload: bool = True,
) -> Published:
    """Publish the finished corpus at `root`; arguments and errors as of `api.publish`.

    Args:
        upload: whether a folder that is for the hub is sent there now.
    """
    if form not in FORMATS:
        raise InputError(f"format {form!r} is not known; there are {', '.join(FORMATS)}")
    token = hub.check(push) if push is not None and upload else None
    tree, facts = integrity.opened(root, _FOLDERS)
    _check(root, tree, facts)
    with published_folder.held(folder) as making:
        identity = _identity(facts, form, push)
        published = published_folder.read(folder)
        ran = 0
        if (
            force
            or published is None
            or published["identity"] != identity
            or not published_folder.whole(folder, published)
        ):
            if force:
                for path in ("receipts", ".work", DATA):
                    files.remove(making / path)
            else:
                published_folder.begin(folder, making)
            with Engine(making, workers, scheduler, show) as engine:
                published = _make(engine, tree, facts, form, push, identity)
                published_folder.finish(folder, making, published)
                ran = engine.ran
        else:
            files.remove(making)
        address = None
        if push is not None and token is not None:
            address = hub.push(folder, push, token, [*published["files"], published_folder.NAME])
    rows = {name: entry["rows"] for name, entry in published["tables"].items()}
    return Published(folder, rows, sum(entry["bytes"] for entry in published["files"].values()), ran, address)


def is_of(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a published folder is whole and of a corpus as it is now, by its manifest."""
    published = published_folder.read(folder)
    if published is None or not published_folder.whole(folder, published):
        return False
    return bool(published["identity"] == _identity(facts, published["format"], published.get("push")))


def _check(root: Path, tree: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a corpus that can't be published as it is."""
    without = [name for name, site in facts["sites"].items() if site["url"] is None and site["kept"]]
    if without:
        lines = " ".join(f'[sites."{name}"] url = "https://…"' for name in without[:3])
        raise InputError(
            f"{root}: no address on the web is known of {', '.join(without[:3])}{', …' * (len(without) > 3)}, so its "
            f"posts can't be attributed as their licence asks; give it in the configuration ({lines}), and build again "
            "(documents, and what comes after them, are made anew)"
        )
    if not facts["totals"]["kept"]:
        raise InputError(
            f"{root}: all documents were dropped, so there is nothing to publish; socorpus report says why"
        )
    for path in facts["files"]:
        if path.startswith("shards/"):
            parquet.row_groups(tree / path, SHARDS)
            return


def _identity(facts: Mapping[str, Any], form: str, push: str | None) -> str:
    """A hash of everything that a publication depends on."""
    used = integrity.within(facts["files"], _FOLDERS)
    rest = {name: value for name, value in facts.items() if name not in ("files", "changes", "reused")}
    contents = {path: entry["sha256"] for path, entry in used.items()}
    return files.fingerprint([version("socorpus"), _VERSION, form, push, rest, contents])


_VERSION = 2
"""Raised when a step makes something else."""


def _make(
    engine: Engine, tree: Path, facts: Mapping[str, Any], form: str, push: str | None, identity: str
) -> dict[str, Any]:
    """Make all files below the engine's root; what PUBLISHED.json says of them."""
    root = engine.root
    steps = _Steps(engine, tree, facts, form)
    engine.expect(steps.bytes / _BYTES_A_SECOND)
    done = steps.tokens() if form == MEGATRON else steps.tables()
    wanted = {path for receipt in done for path in receipt.outputs}
    files.keep_only(root / DATA, {path.removeprefix(f"{DATA}/") for path in wanted if path.startswith(f"{DATA}/")})
    rows = _rows(done)
    _check_counts(root, facts, rows, done)
    tables = {name: table for name, table in steps.known.items() if name in rows}
    contents = _contents(facts, form, push, tables, rows, done)
    outputs = {
        path: output for receipt in done for path, output in receipt.outputs.items() if not path.startswith(".work/")
    }
    for name, text in folder_texts.texts(facts, contents).items():
        files.write_text(root / name, text)
        outputs[name] = Output(0, files.size(root / name), files.sha256(root / name))
    items = {
        f"{receipt.stage}/{receipt.name}": {
            "key": receipt.key,
            "outputs": sorted(receipt.outputs),
            "counts": receipt.counts,
        }
        for receipt in done
    }
    return {
        "identity": identity,
        "socorpus": version("socorpus"),
        "format": form,
        **({"push": push} if push is not None else {}),
        "corpus": {"inputs": facts["inputs"], "kept": facts["totals"]["kept"], "sites": sorted(facts["sites"])},
        "tables": {
            name: {"rows": of, **({"left_out": dict(contents.left_out[name])} if contents.left_out.get(name) else {})}
            for name, of in rows.items()
        },
        "files": {path: outputs[path].entry for path in sorted(outputs)},
        "items": dict(sorted(items.items())),
    }


class _Steps:
    """The steps of a publication of one corpus in one format."""

    def __init__(self, engine: Engine, tree: Path, facts: Mapping[str, Any], form: str):
        self.engine, self.tree, self.facts, self.form = engine, tree, facts, form
        self.seed: int = facts["config"]["shards"]["seed"]
        self.contents = {path: entry["sha256"] for path, entry in facts["files"].items()}
        self.sizes = {path: entry["bytes"] for path, entry in facts["files"].items()}
        self.shards = sorted(path for path in self.contents if path.startswith("shards/"))
        self.tasks = [schema.of_corpus(name, facts["labels"]) for name in facts.get("labels", {})]
        self.known: dict[str, PublishedTable] = dict(TABLES)
        self.known |= {table.name: table for table in map(published_tables.of_labels, self.tasks)}
        self.addresses = {name: site["url"] for name, site in facts["sites"].items()}

    @property
    def bytes(self) -> int:
        """Bytes of text in the shards."""
        return sum(entry["text_bytes"] for entry in self.facts["shards"].values())

    def tables(self) -> list[Receipt]:
        """All tables; the receipts of those items that write files."""
        documents = self.engine.run("documents", [self._documents(path) for path in self.shards])
        threads, comments = self._threads(), self._comments()
        labels = self.engine.run("labels", [item for task in self.tasks for item in self._labels(task)])
        return [*documents.values(), *threads, *comments, *labels.values()]

    def tokens(self) -> list[Receipt]:
        """The tokens for Megatron, and the tokenizer."""
        items = []
        for split in SPLITS:
            paths = [path for path in self.shards if path.startswith(f"shards/{split}/")]
            inputs = [*paths, "tokenizer/tokenizer.json"]
            if paths:
                items.append(self._item("tokens", split, making.write_tokens, inputs, None, split=split, shards=paths))
        done = [*self.engine.run("tokens", items).values()]
        given = tokenizer_folder.load_given(self.tree / "tokenizer")
        paths_made = tokenizer_folder.save_given(given, self.engine.root / "tokenizer")
        outputs = {
            f"tokenizer/{path.name}": Output(given.entries, files.size(path), files.sha256(path)) for path in paths_made
        }
        return [*done, Receipt("tokens", "tokenizer", given.identity, "", outputs)]

    def _item(
        self, stage: str, name: str, function: Any, inputs: Sequence[str], config: Any, /, **arguments: Any
    ) -> WorkItem:
        contents = {path: self.contents[path] for path in inputs}
        weight = sum(self.sizes[path] for path in inputs) + 1
        given = {"corpus": self.tree, **arguments}
        return WorkItem(stage, name, function, given, contents, _VERSION, [self.form, config], weight)

    def _documents(self, path: str) -> WorkItem:
        _, split, number = path.removesuffix(".parquet").split("/")
        name = numbered(split, int(number), self.facts["shards"][split]["files"])
        return self._item(
            "documents", name, making.write_documents, [path], None, shard=path, name=name, form=self.form
        )

    def _threads(self) -> list[Receipt]:
        layout, root = lay_out(self.facts), self.engine.root
        links = self._by_site("tables/links")
        config = [self.seed, layout.places, self.addresses]
        items = []
        many = {part.split for part in layout.parts if part.of > 1}
        for part in layout.parts:
            own = [path for path in self.shards if path.startswith(f"shards/{part.split}/")]
            inputs = [*own, *(path for paths in links.values() for path in paths)]
            given = {"part": part, "addresses": self.addresses, "seed": self.seed, "form": self.form}
            given["shards"] = own if part.split not in many else []
            items.append(self._item("threads", part.name, making.write_threads, inputs, config, **given))
        if self.engine.stale(items):
            given = {"layout": layout, "seed": self.seed}
            sent = [
                self._item("routed", path.removesuffix(".parquet"), making.route, [path], config, shard=path, **given)
                for path in self.shards
                if path.split("/")[1] in many
            ]
            self._kept("routed", self.engine.run("routed", sent))
            sorted_links = [
                self._item("linked", site, making.write_links, paths, None, paths=paths, site=site)
                for site, paths in links.items()
            ]
            self._kept("linked", self.engine.run("linked", sorted_links))
        done = self.engine.run("threads", items)
        for stage in ("routed", "linked"):
            files.remove(root / ".work" / stage)
            files.remove(root / "receipts" / stage)
        return [*done.values()]

    def _kept(self, stage: str, done: Mapping[str, Receipt]) -> None:
        """Keep of what is passed on only what was written now; an earlier corpus may have left more."""
        folder = f".work/{stage}/"
        paths = {path.removeprefix(folder) for receipt in done.values() for path in receipt.outputs}
        receipts.prune(self.engine.root, stage, set(done), {folder: paths})

    def _comments(self) -> list[Receipt]:
        users = self._by_site("tables/users")
        items, sites = [], set[str]()
        for number, group in enumerate(groups := self._groups("tables/comments")):
            of_group = sorted({bucket.partition("/")[0] for bucket in group})
            sites |= set(of_group)
            folders = ("decisions", "documents", "tables/comments")
            inputs = [f"{folder}/{bucket}.parquet" for bucket in group for folder in folders]
            inputs += [path for site in of_group for path in users.get(site, ())]
            name = numbered("comments", number, len(groups))
            given = {"buckets": group, "addresses": self.addresses, "form": self.form, "named": sorted(users)}
            items.append(
                self._item("comments", name, making.write_comments, inputs, self.addresses, name=name, **given)
            )
        if self.engine.stale(items):
            named = {site: paths for site, paths in users.items() if site in sites}
            self._kept(
                "names",
                self.engine.run(
                    "names",
                    [
                        self._item("names", site, making.write_names, paths, None, paths=paths, site=site)
                        for site, paths in named.items()
                    ],
                ),
            )
        done = self.engine.run("comments", items)
        files.remove(self.engine.root / ".work/names")
        files.remove(self.engine.root / "receipts/names")
        return [*done.values()]

    def _labels(self, task: Task) -> Iterator[WorkItem]:
        groups = self._groups(f"labels/{task.name}/examples")
        for number, group in enumerate(groups):
            paths = [
                path
                for bucket in group
                for path in (
                    f"documents/{bucket}.parquet",
                    f"decisions/{bucket}.parquet",
                    schema.texts_path(bucket),
                    *(schema.path(task.name, table, bucket) for table in ("examples", "labels")),
                )
            ]
            inputs = [path for path in paths if path in self.contents]
            ending = numbered("", number, len(groups))
            given = {"task": task.name, "entries": self.facts["labels"], "buckets": group, "form": self.form}
            yield self._item(
                "labels", f"{task.name}/{ending}", making.write_labels, inputs, None, ending=ending, **given
            )

    def _by_site(self, folder: str) -> dict[str, list[str]]:
        """The files of a folder of the corpus, by the site whose folder below it they lie in."""
        by_site: dict[str, list[str]] = {}
        for path in sorted(path for path in self.contents if path.startswith(f"{folder}/")):
            by_site.setdefault(path.removeprefix(f"{folder}/").split("/")[0], []).append(path)
        return by_site

    def _groups(self, folder: str) -> list[list[str]]:
        """Names of the buckets that have a file in a folder, by the file that they go to together."""
        groups: list[list[str]] = []
        size = 0
        for bucket in listed(self.contents):
            if bucket.path(folder) not in self.contents:
                continue
            weight = self.sizes[bucket.path("documents")]
            if not groups or size + weight > _GROUP:
                groups.append([])
                size = 0
            groups[-1].append(bucket.name)
            size += weight
        return groups


def _rows(done: Sequence[Receipt]) -> dict[str, dict[str, int]]:
    """Rows of each table by split, of tables that have any."""
    rows: dict[str, Counter[str]] = {}
    for receipt in done:
        for path, output in receipt.outputs.items():
            _, name, *file = path.split("/")
            if path.endswith(".bin"):
                rows.setdefault("documents", Counter())[receipt.name] += output.rows
            elif path.startswith(f"{DATA}/") and file and output.rows:
                rows.setdefault(name, Counter())[file[0].partition("-")[0]] += output.rows
    order = [*SPLITS, "posts", "comments"]
    return {name: {split: of[split] for split in order if of[split]} for name, of in sorted(rows.items())}


def _check_counts(root: Path, facts: Mapping[str, Any], rows: Mapping[str, Any], done: Sequence[Receipt]) -> None:
    """Rows were neither lost nor doubled on the way, as the manifest counts them.

    Raises:
        BuildError: they were, which no publication may do.
    """
    kept = {split: entry["rows"] for split, entry in facts["shards"].items() if entry["rows"]}
    threads = [receipt.counts for receipt in done if receipt.stage == "threads"]
    asked = sum(sum(counts[name] for name in ("questions", "answers", "without_question")) for counts in threads)
    written = {
        "documents": rows.get("documents", {}),
        "threads": asked if threads else sum(kept.values()),
        "posts": rows.get("attribution", {}).get("posts", 0) if threads else sum(kept.values()),
    }
    if written != {"documents": kept, "threads": sum(kept.values()), "posts": sum(kept.values())}:
        raise BuildError(
            f"{root}: {written} do not fit the manifest's {kept}: the files there differ; the same command "
            "with --force makes all anew"
        )


def _contents(
    facts: Mapping[str, Any],
    form: str,
    push: str | None,
    tables: Mapping[str, PublishedTable],
    rows: Mapping[str, Mapping[str, int]],
    done: Sequence[Receipt],
) -> Contents:
    placeholders: Counter[str] = Counter()
    left_out: dict[str, Counter[str]] = {}
    tokens: dict[str, int] = {}
    licenses: dict[str, Counter[str]] = {}
    for receipt in done:
        for name, count in receipt.counts.get("licenses", {}).items():
            what = "comments" if receipt.stage == "comments" else "posts"
            licenses.setdefault(name, Counter())[what] += count
        placeholders.update(receipt.counts.get("placeholders", {}))
        if receipt.stage == "labels":
            left_out.setdefault(f"{LABELS}{receipt.name.partition('/')[0]}", Counter()).update(
                receipt.counts["left_out"]
            )
        if "tokens" in receipt.counts:
            tokens[receipt.name] = receipt.counts["tokens"]
    first = next(site["url"] for site in facts["sites"].values() if site["kept"])
    address = f"https://huggingface.co/datasets/{push}" if push is not None else first
    if not licenses:  # tokens have no rows that name theirs: those of the corpus, with documents that were dropped
        licenses = {name: Counter({"documents of the corpus": count}) for name, count in facts["licenses"].items()}
    ordered = {split: tokens[split] for split in SPLITS if split in tokens}
    named = folder_texts.title(facts)
    return Contents(
        form,
        named,
        address,
        tables,
        rows,
        placeholders,
        left_out,
        dict(sorted(licenses.items())),
        push or Contents.place,
        ordered,
        making.END,
    )
