"""MANIFEST.json: contents and sources of a corpus, with a check that its numbers add up.

It holds no times and no folders of the machine that built it, so equal builds have equal manifests.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from socorpus.corpus import dump_diff, plugins, schema
from socorpus.corpus.config import Config, without_folders
from socorpus.corpus.dump import addresses, archives, gate
from socorpus.corpus.dump.rows import row_forms
from socorpus.corpus.dump.sources import Site
from socorpus.corpus.engine import receipts
from socorpus.corpus.engine.receipts import Receipt
from socorpus.corpus.errors import BuildError
from socorpus.corpus.plan import BuildPlan
from socorpus.corpus.signals.base import SIGNALS
from socorpus.corpus.storage import files, parquet
from socorpus.corpus.toml_config import as_dict

Done = Mapping[str, Receipt]
_MANY_REPEATED = 0.01
"""Share of a table's rows whose identifiers another row has, from which on a user is told."""


def assemble(
    root: Path,
    plan: BuildPlan,
    config: Config,
    done: Mapping[str, Done],
    signals: Mapping[str, Done],
    twins: Receipt,
    tokenizer: Receipt,
) -> dict[str, Any]:
    """Put the manifest together from the receipts.

    Raises:
        BuildError: rows or documents were lost on the way, which no build may do.
    """
    sites = {site.name: _site(site, config, done) for site in plan.sites}
    for name, entry in sites.items():
        if entry["documents"] != entry["kept"] + sum(entry["dropped"].values()):
            raise BuildError(
                f"{name}: {entry['documents']} documents are not {entry['kept']} kept and the dropped ones: the "
                f"receipts in {root / 'receipts'} do not fit each other; the same command with --force builds all anew"
            )
    licenses: Counter[str] = Counter()
    for receipt in done["documents"].values():
        licenses.update(receipt.counts["licenses"])
    everything = [*done.values(), *signals.values(), {"": tokenizer}]
    outputs = {
        path: output.entry
        for receipts_of in everything
        for receipt in receipts_of.values()
        for path, output in receipt.outputs.items()
        if not path.startswith(".work/")
    }
    for site in plan.sites:
        path = f"quarantine/{site.name}.parquet"
        rows = sites[site.name]["quarantined"]
        file, rows_hash = root / path, parquet.rows_hash(root / path)
        outputs[path] = receipts.Output(rows, files.size(file), files.sha256(file), rows_hash).entry
    return {
        "version": schema.VERSION,
        "socorpus": version("socorpus"),
        "inputs": plan.inputs,
        "sources": [
            {
                "site": site.name,
                "released": site.released,
                "table": table.table,
                "file": archives.name_of(table.member.address, site.name, table.below),
                "member": table.member.name,
                "bytes": table.member.size,
                "stamp": table.member.stamp,
            }
            for site in plan.sites
            for table in site.tables
        ],
        "sites": sites,
        **({"warnings": list(plan.warnings)} if plan.warnings else {}),
        "totals": _totals(sites),
        "licenses": dict(sorted(licenses.items())),
        "signals": {
            **{name: _sum(signals[name], "values") for name in SIGNALS if SIGNALS[name].counts is not None},
            "duplicates": {name: of for name, of in twins.counts.items() if name != "members"},
        },
        "reused": {name: sum(r.counts.get("reused", 0) for r in marked.values()) for name, marked in signals.items()},
        "pairs": _sum(done["pairs"], "languages"),
        "tokenizer": dict(tokenizer.counts),
        "shards": _shards(done["shards"]),
        "changes": dump_diff.compare(root, plan.buckets, plan.inputs),
        **({"plugins": {plugin.name: plugin.identity for plugin in active}} if (active := plugins.active()) else {}),
        "config": as_dict(without_folders(config)),
        "files": dict(sorted(outputs.items())),
    }


def repeats(facts: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each table of which many rows have the identifier of another one, as where each file numbers its
    own rows."""
    for name, site in facts["sites"].items():
        for table, count in site["repeated"].items():
            if count > gate.FEW and count > _MANY_REPEATED * site["rows"][table]:
                yield (
                    f"{name}, table {table}: {count:,} of {site['rows'][table]:,} rows have the identifier of another "
                    "one, and of these only the last counts; see that identifiers are unique in the whole site"
                )


def _site(site: Site, config: Config, done: Mapping[str, Done]) -> dict[str, Any]:
    address, settings = addresses.of(site, config), config.of_site(site.name, site.base)
    rows: dict[str, int] = {}
    bad: dict[str, int] = {}
    repaired: dict[str, int] = {}
    repairs: dict[str, dict[str, dict[str, Any]]] = {}
    unknown: dict[str, dict[str, int]] = {}
    repeated: Counter[str] = Counter()
    forgotten: Counter[str] = Counter()
    absent: Counter[str] = Counter()
    types: Counter[str] = Counter()
    for receipt in done["read"].values():
        for place, counts in receipt.counts.items():
            name, _, table = place.rpartition("/")
            if name != site.name:
                continue
            rows[table] = rows.get(table, 0) + counts["read"]
            bad[table] = bad.get(table, 0) + counts["quarantined"]
            repaired[table] = repaired.get(table, 0) + counts["repaired"]
            for kind, number, file, offset, _ in counts["repairs"]:
                first = {"rows": 0, "file": file, "offset": offset}
                first |= {} if (unit := row_forms.unit(file)) == "byte" else {"unit": unit}
                known = repairs.setdefault(table, {}).setdefault(kind, first)
                known["rows"] += number
            repeated[table] += counts.get("repeated", 0)
            forgotten[table] += counts.get("forgotten", 0)
            absent.update(counts["absent"])
            types.update(counts["types"])
            for attribute, count in counts["unknown"].items():
                seen = unknown.setdefault(table, {})
                seen[attribute] = seen.get(attribute, 0) + count
    own = {
        stage: [receipt for name, receipt in done[stage].items() if name.startswith(f"{site.name}/")]
        for stage in ("threads", "documents", "decisions")
    }
    gathered = {table: Counter({"repeated": count}) for table, count in repeated.items()}
    for receipt in own["threads"]:
        for table, counts in receipt.counts.items():
            gathered.setdefault(table, Counter()).update(counts)
            forgotten[table] += counts.get("forgotten", 0)
    dropped: Counter[str] = Counter()
    for receipt in own["decisions"]:
        dropped.update(receipt.counts["dropped"])
    return {
        "host": urlsplit(address).netloc if address is not None else None,
        "url": address,
        **{key: value for key in ("name", "language") if (value := getattr(settings, key)) is not None},
        "released": site.released,
        "rows": dict(sorted(rows.items())),
        "quarantined": sum(bad.values()),
        "quarantined_by_table": {table: count for table, count in sorted(bad.items()) if count},
        "repaired": {table: count for table, count in sorted(repaired.items()) if count},
        "repairs": dict(sorted(repairs.items())),
        "unknown_attributes": dict(sorted(unknown.items())),
        "repeated": {table: c["repeated"] for table, c in gathered.items() if c["repeated"]},
        "orphans": {table: c["orphans"] for table, c in gathered.items() if c["orphans"]},
        **({"forgotten": dict(sorted((+forgotten).items()))} if +forgotten else {}),
        "posts": gathered.get("posts", Counter())["rows"],
        "absent": dict(sorted(absent.items())),
        "post_types": dict(sorted(types.items())),
        "documents": sum(output.rows for receipt in own["documents"] for output in receipt.outputs.values()),
        "kept": sum(receipt.counts["kept"] for receipt in own["decisions"]),
        "dropped": dict(sorted(dropped.items())),
    }


def _totals(sites: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    dropped: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for site in sites.values():
        dropped.update(site["dropped"])
        rows.update(site["rows"])
    numbers = {
        name: sum(site[name] for site in sites.values()) for name in ("quarantined", "posts", "documents", "kept")
    }
    return {"rows": dict(sorted(rows.items())), **numbers, "dropped": dict(sorted(dropped.items()))}


def _shards(done: Done) -> dict[str, dict[str, int]]:
    splits: dict[str, Counter[str]] = {}
    for name, receipt in done.items():
        entry = splits.setdefault(name.rpartition("-")[0], Counter())
        entry.update({"files": 1, "rows": sum(output.rows for output in receipt.outputs.values())})
        entry.update({key: int(value or 0) for key, value in receipt.counts.items()})
    return {name: dict(entry) for name, entry in splits.items()}


def _sum(done: Done, name: str) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for receipt in done.values():
        totals.update(receipt.counts.get(name, {}))
    return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))
