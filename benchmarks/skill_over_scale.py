"""Does pre-training on the domain pay? Small encoders on text of the domain, of other domains, and on none; resumable.

    python benchmarks/skill_over_scale.py --out DIR [--minutes 55] [--part texts|pretrain|entities|quality]
        [--encoder FOLDER …]

1. `texts`: three corpora with as many tokens each and one tokenizer: `programming` (the training texts of the two
   public sets without their labels, questions of 2022, threads of the sites that have a block of code), `other`
   (threads of the sites without one), and `both` (half of each). No text of a validation or test split of the sets is
   in them.
2. `pretrain`: an encoder of 4.7 million parameters on each, the same number of tokens, steps, seeds and rates.
3. `entities` and `quality`: all of them, random weights of the same shape, the plain systems, these joined with the
   encoder of the domain, and other encoders, with 5, 25 and 100% of the labels, three seeds, the same budget of choice.

Each step is the command that a user would give; it is shown as it runs. After `--minutes` it is stopped, and goes on
when this is run again. A part is done when it says so. Commands use one thread a process. The tables are
DIR/entities/comparison.html and DIR/quality/comparison.html, and `.csv` beside them.
"""

import argparse
import csv
import hashlib
import html
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.sax.saxutils import quoteattr

SHARED = Path(os.environ.get("SOCORPUS_REAL_DATA", Path(__file__).resolve().parents[2] / "shared"))
VOCABULARY = 8_000
TEXTS = ("programming", "other", "both")
PRETRAIN = """\
[model]
layers = 4
hidden = 256
heads = 4
ffn = 512
max_length = 256
[schedule]
tokens = 6_000_000
[batch]
tokens = 8_192
micro_tokens = 8_192
[validation]
steps = 100
[checkpoint]
minutes = 2.0
"""
"""Beside the preset `tiny`: Muon was better than AdamW at equal steps of that size (benchmarks/optimizers.py)."""


@dataclass(frozen=True)
class Post:
    """A question or an answer as HTML; `parent` is the number of its question, of a question its own."""

    parent: int
    body: str
    created: datetime
    title: str | None = None
    tags: Sequence[str] = ()


class Clock:
    """The time that is left to this run of the script."""

    def __init__(self, minutes: float):
        self.end = time.monotonic() + 60 * minutes

    def run(self, commands: Sequence[Sequence[object]]) -> None:
        """Run commands of socorpus side by side, and say which and how long they took.

        Raises:
            SystemExit: the time is over, and they were stopped, or one failed.
        """
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        started, processes = time.monotonic(), []
        for command in commands:
            words = [str(word) for word in command]
            print("$ socorpus", shlex.join(words), flush=True)
            processes.append(subprocess.Popen([sys.executable, "-m", "socorpus.cli.main", *words], env=environment))
        try:
            codes = [process.wait(max(1.0, self.end - time.monotonic())) for process in processes]
        except subprocess.TimeoutExpired:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait()
            sys.exit("the time is over; run this again to go on")
        if any(codes):
            sys.exit(f"failed with {codes}")
        print(f"  ({time.monotonic() - started:.0f} s)\n", flush=True)


def markup(text: str, segments: Iterable[Mapping[str, object]]) -> str:
    """HTML that the build reads as this text with these segments."""
    parts = []
    for segment in segments:
        piece = html.escape(text[int(str(segment["start"])) : int(str(segment["end"]))], quote=False)
        if segment["kind"] == "code":
            parts.append(f"</p><pre><code>{piece}</code></pre><p>")
        elif segment["kind"] == "inline_code":
            parts.append(f"<code>{piece}</code>")
        else:
            parts.append(piece.replace("\n", "</p><p>"))
    return f"<p>{''.join(parts)}</p>"


def write_dump(folder: Path, sites: Mapping[str, Iterable[Post]]) -> None:
    """A dump of sites, each a file of posts; numbers are given in order."""
    for site, posts in sites.items():
        (folder / site).mkdir(parents=True, exist_ok=True)
        numbers: dict[int, int] = {}
        with (folder / site / "Posts.xml").open("w", encoding="utf-8") as file:
            file.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
            for number, post in enumerate(posts, start=1):
                first = post.parent not in numbers
                question = numbers.setdefault(post.parent, number)
                row = {
                    "Id": str(number),
                    "PostTypeId": "1" if first else "2",
                    **({} if first else {"ParentId": str(question)}),
                    "CreationDate": post.created.strftime("%Y-%m-%dT%H:%M:%S.000"),
                    "Score": "0",
                    "Body": post.body,
                    **({"Title": post.title or "", "Tags": "".join(f"<{tag}>" for tag in post.tags)} if first else {}),
                    "ContentLicense": "CC BY-SA 4.0",
                }
                row = {
                    key: "".join(letter for letter in value if letter >= " " or letter in "\n\t")
                    for key, value in row.items()
                }
                file.write("  <row " + " ".join(f"{key}={_attribute(value)}" for key, value in row.items()) + " />\n")
            file.write("</posts>\n")


def _attribute(value: str) -> str:
    return quoteattr(value, {"\n": "&#xA;", "\t": "&#x9;"})


def posts_of_shards(
    corpus: Path, sites: Sequence[str] | None = None
) -> dict[tuple[str, int], list[tuple[Post, int, bool]]]:
    """Posts of a corpus by site and thread, the oldest first, each with its tokens and whether it has a code block."""
    from socorpus.corpus import Corpus

    columns = ["site", "post_id", "thread_id", "created", "tags", "title", "text", "own_end", "segments", "input_ids"]
    rows = Corpus(corpus).shards().to_table(columns=columns).sort_by([("site", "ascending"), ("post_id", "ascending")])
    threads: dict[tuple[str, int], list[tuple[Post, int, bool]]] = {}
    for row in rows.to_pylist():
        if sites is not None and row["site"] not in sites:
            continue
        own = [
            dict(part, end=min(part["end"], row["own_end"]))
            for part in row["segments"]
            if part["start"] < row["own_end"]
        ]
        title = row["title"] or ""
        post = Post(row["thread_id"], markup(row["text"], own), row["created"], title, row["tags"] or ())
        block = any(part["kind"] == "code" for part in own)
        threads.setdefault((row["site"], row["thread_id"]), []).append((post, len(row["input_ids"]), block))
    return threads


def public_sets(benchmarks: Path) -> Iterator[Post]:
    """The training texts of the two public sets without their labels, and the questions of 2022."""
    from socorpus.labeling.datasets import so60k, so_ner
    from socorpus.labeling.schema import TASKS
    from socorpus.training.examples import benchmarks as sets

    for document in so_ner.read(benchmarks / "ner" / "train.txt"):
        # Its posts have no date.
        yield Post(document.question, markup(document.text, document.segments), datetime(2018, 1, 1, tzinfo=UTC))
    path = benchmarks / "quality" / "so-60k-subset.csv"
    training = {example.key for example in sets.quality(path, TASKS["quality"]).splits["train"]}
    for question in so60k.read(path):
        if str(question.id) in training:
            segments = [
                {"kind": str(kind), "start": start, "end": end} for kind, start, end, *_ in question.text.segments
            ]
            yield Post(
                question.id, markup(question.text.text, segments), question.created, question.title, question.tags
            )
    with (benchmarks / "quality" / "so-questions-2022.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            created = datetime.strptime(row["CreationDate"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            tags = row["Tags"].strip("<>").split("><")
            yield Post(int(row["Id"]), row["Body"], created, row["Title"], tags)


def held_out(benchmarks: Path, to: Path) -> list[Path]:
    """Files with the texts that must be in no corpus."""
    from socorpus.labeling.schema import TASKS
    from socorpus.training.examples import benchmarks as sets

    splits = sets.quality(benchmarks / "quality" / "so-60k-subset.csv", TASKS["quality"]).splits
    to.mkdir(parents=True, exist_ok=True)
    with (to / "quality.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("Title", "Text"))
        writer.writerows((example.title, example.text) for split in ("validation", "test") for example in splits[split])
    return [benchmarks / "ner" / "dev.txt", to / "quality.csv"]


def chosen(threads: Mapping[tuple[str, int], Sequence[tuple[Post, int, bool]]], tokens: int) -> list[tuple[str, int]]:
    """Threads in the order of a hash, until they have this many tokens."""
    kept, total = [], 0
    for key in sorted(threads, key=lambda key: hashlib.blake2b(repr(key).encode()).digest()):
        if total >= tokens:
            break
        kept.append(key)
        total += sum(count for _, count, _ in threads[key])
    return sorted(kept)


def texts(out: Path, benchmarks: Path, data: Sequence[Path], clock: Clock) -> None:
    """The three corpora."""
    if (out / "tokens.json").exists():
        return
    clock.run([("build", *data, "-o", out / "sites", "--no-labels")])
    threads = posts_of_shards(out / "sites")
    dump = out / "dumps" / "all"
    numbered = {key: number for number, key in enumerate(sorted(threads))}
    of_sites: dict[bool, list[Post]] = {True: [], False: []}
    for key, posts in threads.items():
        of_sites[any(block for *_, block in posts)] += [
            Post(-1 - numbered[key], post.body, post.created, post.title, post.tags) for post, *_ in posts
        ]
    write_dump(dump, {"programming": [*public_sets(benchmarks), *of_sites[True]], "other": of_sites[False]})
    forbidden = [str(path.absolute()) for path in held_out(benchmarks, out / "held-out")]
    (out / "all.toml").write_text(
        f"[tokenizer]\nvocabulary = {VOCABULARY}\n[contamination]\nbenchmarks = {json.dumps(forbidden)}\n"
        "[selection]\nmax_overlap = 0.1\n" + address("programming") + address("other"),
        "utf-8",
    )
    clock.run([("build", dump, "-o", out / "all", "--config", out / "all.toml", "--no-labels")])
    by_site = {site: posts_of_shards(out / "all", [site]) for site in ("programming", "other")}
    sums = {site: sum(count for posts in by_site[site].values() for _, count, _ in posts) for site in by_site}
    unique = min(sums.values())
    shares = {"programming": {"programming": 1.0}, "other": {"other": 1.0}, "both": {"programming": 0.5, "other": 0.5}}
    tokenizer = (out / "all" / "tokenizer" / "tokenizer.json").resolve()
    # Nothing more is dropped: what is chosen was selected already, and is as many tokens.
    settings = (
        f'[tokenizer]\npath = "{tokenizer}"\n[selection]\nmin_words = 0\nexact_duplicates = true\n'
        "near_duplicates = true\nlanguage_probability = 1.0\n[split]\nvalidation = 0.01\ntest = 0.0\n"
    )
    counts: dict[str, object] = {"there": sums, "wanted": unique}
    for name in TEXTS:
        sites = {
            site: [post for key in chosen(by_site[site], round(unique * share)) for post, *_ in by_site[site][key]]
            for site, share in shares[name].items()
        }
        write_dump(out / "dumps" / name, sites)
        (out / f"{name}.toml").write_text(settings + "".join(map(address, sites)), "utf-8")
        clock.run([("build", out / "dumps" / name, "-o", out / name, "--config", out / f"{name}.toml", "--no-labels")])
        counts[name] = train_tokens(out / name)
    (out / "tokens.json").write_text(json.dumps(counts, indent=1), "utf-8")
    print(json.dumps(counts))


def address(site: str) -> str:
    """Configuration: a site's address."""
    return f'[sites."{site}"]\nurl = "https://{site}.example.com"\n'


def train_tokens(corpus: Path) -> int:
    """Tokens of the train split."""
    import pyarrow.compute as pc

    from socorpus.corpus import Corpus

    table = Corpus(corpus).shards("train").to_table(columns=["input_ids"])
    return int(pc.sum(pc.list_value_length(table["input_ids"])).as_py())


def pretrain(out: Path, clock: Clock) -> None:
    """An encoder on each corpus, two at a time."""
    (out / "pretrain.toml").write_text(PRETRAIN, "utf-8")
    commands = [
        ("train", out / name, "--config", out / "pretrain.toml", "--out", out / "runs" / name)
        for name in TEXTS
        if not _finished(out / "runs" / name)
    ]
    for pair in (commands[:2], commands[2:]):
        if pair:
            clock.run(pair)


def _finished(run: Path) -> bool:
    facts = run / "run.json"
    if not facts.is_file():
        return False
    state = json.loads(facts.read_text("utf-8"))
    return bool(state["step"] == state["steps"])


def compare(task: str, source: Path, out: Path, encoders: Sequence[Path], clock: Clock) -> None:
    """One table, with 5, 25 and 100% of the labels."""
    systems = ["audits", f"random=scratch:{out / 'runs' / 'programming'}"]
    systems += [f"{name}={out / 'runs' / name}" for name in ("other", "programming", "both")]
    systems += [f"joined={'joined:'}{out / 'runs' / 'programming'}"]
    systems += [f"{path.name}={path}" for path in encoders]
    options = [part for system in systems for part in ("--system", system)]
    shares: list[object] = ["--shares", "0.05,0.25", "--seeds", 3, "--length", 256]
    # Of a rate and passes, once for all shares, with a quarter of the labels: alike for all encoders.
    budget: list[object] = ["--choose", 8, "--choose-at", 0.25]
    clock.run([("evaluate", "--on", f"{task}={source}", *options, *shares, *budget, "-o", out / task)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=55.0)
    parser.add_argument("--part", choices=("texts", "pretrain", "entities", "quality"), action="append")
    parser.add_argument("--data", type=Path, nargs="+", default=[SHARED / "archives", SHARED / "dumps"])
    parser.add_argument("--benchmarks", type=Path, default=SHARED / "benchmarks")
    parser.add_argument("--encoder", type=Path, nargs="*", default=[], help="folders of other pre-trained encoders")
    given = parser.parse_args()
    clock, parts = Clock(given.minutes), given.part or ["texts", "pretrain", "entities", "quality"]
    given.out.mkdir(parents=True, exist_ok=True)
    if "texts" in parts:
        texts(given.out, given.benchmarks, given.data, clock)
    if "pretrain" in parts:
        pretrain(given.out, clock)
    sources = {"entities": given.benchmarks / "ner", "quality": given.benchmarks / "quality" / "so-60k-subset.csv"}
    for task, source in sources.items():
        if task in parts:
            compare(task, source, given.out, given.encoder, clock)
    print("done")


if __name__ == "__main__":
    main()
