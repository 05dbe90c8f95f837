"""A site whose address nobody knows: null in every table, and no reader minds; then the configuration gives it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from socorpus.corpus import schema
from socorpus.corpus.report import page
from socorpus.corpus.report import story as stories
from socorpus.labeling import label_examples
from tests.building import manifest, socorpus, table
from tests.corpus import small_site

NAME = "Küche 日本"


def test_an_address_is_null_until_it_is_given(tmp_path: Path) -> None:
    dump = small_site.dump(tmp_path).rename(tmp_path / NAME)
    toml = tmp_path / "socorpus.toml"
    command = ("build", dump, "-o", tmp_path / "corpus", "--workers", 0, "--site", NAME, "--config", toml)
    toml.write_text("", "utf-8")
    said = socorpus(*command).stderr
    assert f"{NAME}: no address on the web is known" in said and f'[sites."{NAME}"] url = "https://…"' in said
    for name, columns in (("documents", schema.DOCUMENTS), ("shards", schema.SHARDS)):
        rows = table(tmp_path / "corpus", name)
        assert rows.schema.equals(columns) and rows["url"].null_count == rows.num_rows > 0
    examples = pa.concat_tables(label_examples(tmp_path / "corpus", "entities"))
    assert examples["url"].null_count == examples.num_rows > 0
    site = manifest(tmp_path / "corpus")["sites"][NAME]
    assert (site["host"], site["url"]) == (None, None)
    key = schema.key(NAME, small_site.ANSWER)
    assert "url           not known" in str(stories.find(tmp_path / "corpus", key))
    assert "https://" not in (tmp_path / "corpus" / page.NAME).read_text("utf-8").partition(NAME)[2]
    socorpus("labeling", "export", tmp_path / "corpus", "--task", "entities", "-o", tmp_path / "out")
    assert '"url": null' in (tmp_path / "out" / "train.jsonl").read_text("utf-8")

    toml.write_text(f'[sites."{NAME}"]\nurl = "http://qa.intra:8080/base/"\n', "utf-8")
    assert "no address" not in socorpus(*command, "--no-labels").stderr
    for name in ("documents", "shards"):
        urls = table(tmp_path / "corpus", name)["url"]
        assert pc.all(pc.match_substring_regex(urls, r"^http://qa\.intra:8080/base/[qa]/\d+$")).as_py()
    site = manifest(tmp_path / "corpus")["sites"][NAME]
    assert (site["host"], site["url"]) == ("qa.intra:8080", "http://qa.intra:8080/base")


def test_a_dry_run_says_which_address_is_not_known(tmp_path: Path) -> None:
    dump = small_site.dump(tmp_path).rename(tmp_path / "cooking")
    said = socorpus("build", dump, "-o", tmp_path / "corpus", "--dry-run").stderr
    assert "cooking: no address on the web is known" in said
