"""The whole build against the usual way, in one run: MB of XML a second on one core, and two workers against one.

The usual way is EleutherAI/stackexchange-dataset's, written here from its description: the standard library's iterparse
over Posts.xml, a dictionary of the questions whose answers are still to come, BeautifulSoup for each text. It reads
Posts.xml alone, and knows no comments, history, duplicates, personal data or licences. The build reads all tables and
runs every stage but tokenising (the shards' token columns stay empty); it runs in this process, on one core.

    python benchmarks/build.py [--data PATH] [--rounds N] [--workers-mb N]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pyarrow as pa
from bs4 import BeautifulSoup

from socorpus.corpus import config, pipeline, schema
from socorpus.corpus.dump import archives, sources
from socorpus.corpus.engine.executor import Engine
from socorpus.corpus.sample import writer as sample_writer
from socorpus.corpus.shards import rows as shards_rows
from socorpus.corpus.tokenizer import bpe
from socorpus.corpus.tokenizer import folder as tokenizer_folder

DATA = Path(os.environ.get("SOCORPUS_REAL_DATA", Path(__file__).resolve().parent.parent.parent / "shared"))


def usual_way(posts: Path, out: Path) -> None:
    """Questions with their answers as text files would hold them."""
    questions: dict[str, dict[str, object]] = {}
    with out.open("w", encoding="utf-8") as file:
        for _, row in ElementTree.iterparse(posts, events=("end",)):
            if row.tag != "row":
                continue
            kind, body = row.attrib.get("PostTypeId"), row.attrib.get("Body", "")
            if kind == "1":
                if int(row.attrib.get("AnswerCount", 0)):
                    questions[row.attrib["Id"]] = {
                        "title": row.attrib.get("Title", ""),
                        "body": BeautifulSoup(body, "lxml").get_text(),
                        "wanted": int(row.attrib.get("AnswerCount", 0)),
                        "answers": [],
                    }
            elif kind == "2" and row.attrib.get("ParentId") in questions:
                question = questions[row.attrib["ParentId"]]
                answers = question["answers"]
                assert isinstance(answers, list)
                answers.append(BeautifulSoup(body, "lxml").get_text())
                if len(answers) == question["wanted"]:
                    file.write(f"Q:\n\n{question['title']}\n\n{question['body']}\n\n")
                    file.writelines(f"A:\n\n{answer}\n\n" for answer in answers)
                    del questions[row.attrib["ParentId"]]
            row.clear()


def build(found: list[sources.Site], out: Path, settings: config.Config) -> None:
    with Engine(out, workers=0) as engine:
        pipeline.build(out, found, settings, engine)


def no_tokens(tokenizer: object, texts: pa.Array, threads: int = 1) -> pa.ListArray:
    return pa.array([[]] * len(texts), pa.list_(pa.uint16()))


def no_code_tokens(kept: pa.Table, *rest: object) -> pa.ListArray:
    return pa.array([[]] * kept.num_rows, pa.list_(pa.int32()))


_IDS = re.compile(
    rb"( (?:Id|PostId|ParentId|AcceptedAnswerId|RelatedPostId|UserId|OwnerUserId|LastEditorUserId|ExcerptPostId"
    rb'|WikiPostId)=")(\d+)"'
)


def one_site(data: Path, out: Path) -> None:
    """All real sites as one: rows as they are, but for their ids, which get an offset a site.

    A site of some ten megabytes spends most of its build on what a build costs whatever its size; one of tens of
    megabytes shows the rate at which posts go through.
    """
    out.mkdir()
    newest = [
        site for site in sources.discover([str(data / "archives"), str(data / "dumps")]) if site.name == site.base
    ]
    files = {
        table: (out / f"{root}.xml").open("wb") for root, table in schema.ROOTS.items() if root != "postswithdeleted"
    }
    for table, file in files.items():
        root = next(root for root, name in schema.ROOTS.items() if name == table)
        file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>\n'.encode())
    for number, site in enumerate(newest):
        offset = number * 10_000_000
        wanted: dict[str, dict[int, str]] = {}
        for table in site.tables:
            wanted.setdefault(table.member.address, {})[table.member.index] = table.table
        for address, tables in wanted.items():
            for member, stream in archives.stream(address, tables, 2):
                shifted = _IDS.sub(lambda m, by=offset: m[1] + b'%d"' % (int(m[2]) + by), stream.read())
                files[tables[member.index]].writelines(
                    line.strip() + b"\n" for line in shifted.splitlines() if b"<row " in line
                )
    for table, file in files.items():
        root = next(root for root, name in schema.ROOTS.items() if name == table)
        file.write(f"</{root}>\n".encode())
        file.close()


def one_core(data: Path, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        one_site(data, root / "all.example.com")
        posts = root / "all.example.com/posts.xml"
        found = sources.discover([str(root / "all.example.com")])
        posts_mb = posts.stat().st_size / 1e6
        all_mb = sum(table.member.size for site in found for table in site.tables) / 1e6
        tokenizer_folder.save(bpe.train(["a few words are enough here"], 300), root / "tokenizer")
        settings = config.load(overrides={"tokenizer": {"path": str(root / "tokenizer")}})
        bpe.encode = no_tokens
        shards_rows._code_tokens = no_code_tokens
        build(found, root / "warm", settings)  # compiles, imports
        theirs, ours, ratios = [], [], []
        for number in range(rounds):
            started = time.process_time()
            usual_way(posts, root / "usual.txt")
            theirs.append(posts_mb / (time.process_time() - started))
            started = time.process_time()
            build(found, root / f"{number}", settings)
            ours.append(all_mb / (time.process_time() - started))
            ratios.append(ours[-1] / theirs[-1])
        stages = {}
        for path in (root / "0/receipts").rglob("*/*.json"):
            receipt = json.loads(path.read_text("utf-8"))
            stages[receipt["stage"]] = stages.get(receipt["stage"], 0.0) + receipt["seconds"]
    print(f"all real sites as one: {all_mb:.1f} MB of XML, {posts_mb:.1f} MB of it posts")
    print(f"by CPU seconds of one process, {rounds} alternating rounds, medians")
    print(f"  usual way, posts alone              {statistics.median(theirs):6.1f} MB/s")
    print(f"  build without tokenising, one core  {statistics.median(ours):6.1f} MB/s of all XML")
    print(f"  ratio                               {statistics.median(ratios):6.1f}   (target 4)")
    shares = sorted(stages.items(), key=lambda item: -item[1])
    print("  seconds of the first round: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in shares[:12]))


_LOOP = "import hashlib\nfor _ in range(400): hashlib.blake2b(bytes(4_000_000)).digest()"


def cores() -> float:
    """How much more two independent processes get done than one: what this machine has to give."""

    def seconds(processes: int) -> float:
        started = time.perf_counter()
        running = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(processes)]
        for process in running:
            process.wait()
        return time.perf_counter() - started

    return 2 * seconds(1) / seconds(2)


def two_workers(size_mb: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        sample_writer.write(root / "dump", size_mb=size_mb, sites=(sample_writer.PLAIN,))
        seconds: dict[int, list[float]] = {1: [], 2: []}
        machine = []
        for number in range(rounds):
            machine.append(cores())
            for workers in (1, 2):
                out = root / f"{number}-{workers}"
                dump = str(root / "dump/plain.example.com")
                command = [sys.executable, "-m", "socorpus.cli.main", "build", dump, "-o", str(out)]
                started = time.perf_counter()
                subprocess.run([*command, "--workers", str(workers)], check=True, capture_output=True)
                seconds[workers].append(time.perf_counter() - started)
        ratio = statistics.median(a / b for a, b in zip(seconds[1], seconds[2], strict=True))
    print(f"generated dump of {size_mb} MB, whole command, tokenizer and tokens too, {rounds} rounds")
    print(f"  one worker {statistics.median(seconds[1]):.1f} s, two {statistics.median(seconds[2]):.1f} s")
    print(f"  ratio                               {ratio:6.2f}   (target 1.7)")
    print(f"  two independent processes           {statistics.median(machine):6.2f}   (what the machine gives)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers-mb", type=int, default=0, help="also compare one and two workers on so large a dump")
    given = parser.parse_args()
    one_core(given.data, given.rounds)
    if given.workers_mb:
        two_workers(given.workers_mb, given.rounds)


if __name__ == "__main__":
    main()
