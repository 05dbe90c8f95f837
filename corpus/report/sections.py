"""The sections of the report.

A section is a function that takes `Facts` and gives a `Section`, or None where it has nothing to say; a new one costs
its function and a line in `SECTIONS`. What comes from the dump is escaped, and its secrets are placeholders.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from socorpus.corpus import toml_config
from socorpus.corpus.config import SelectionRule
from socorpus.corpus.report import fragments as html
from socorpus.corpus.report import plots, small_multiples, summary
from socorpus.corpus.report.summary import Sample, Summary
from socorpus.corpus.selection import election
from socorpus.corpus.signals.base import SIGNALS

_SITES_SHOWN = 200
_LISTED = 15


@dataclass(frozen=True)
class Facts:
    """Input of the sections: the manifest, the summary of the tables, and seconds by stage."""

    root: Path
    manifest: Mapping[str, Any]
    summary: Summary
    seconds: Mapping[str, tuple[int, float]]
    """Stage -> number of work items and their seconds, in the order in which the stages began."""

    @property
    def totals(self) -> Mapping[str, Any]:
        """The manifest's sums over all sites."""
        totals: Mapping[str, Any] = self.manifest["totals"]
        return totals

    @property
    def sites(self) -> Mapping[str, Any]:
        """The manifest's facts of each site."""
        sites: Mapping[str, Any] = self.manifest["sites"]
        return sites


@dataclass(frozen=True)
class Section:
    """One section of the page.

    Attributes:
        brief: what it amounts to in a few words, beside the title; there to be seen while the section is folded.
        folded: whether it is folded until a reader opens it, a link leads into it, or the page is printed.
    """

    title: str
    html: Markup
    brief: str = ""
    folded: bool = False


def _sites(facts: Facts) -> Section | None:
    """Rows that were read, by site and table."""
    tables = list(facts.totals["rows"])
    spans = facts.summary.distributions.spans
    rows = [
        [
            f"{site['name']} ({name})" if site.get("name") else name,
            site["released"] or "–",
            " to ".join(map(summary.day, spans[name])) if name in spans else "–",
            *(site["rows"].get(table, "–") for table in tables),
            site["quarantined"],
        ]
        for name, site in facts.sites.items()
    ]
    last = ["all", "", "", *(facts.totals["rows"][table] for table in tables), facts.totals["quarantined"]]
    head = ["site", "dump of", "posts of", *tables, "quarantined"]
    content = html.paragraph("Rows that were read of each table, and rows of any table that could not be read.")
    content += html.table(head, _limited(rows, len(head)), last)
    notes = [
        [name, what.replace("_", " "), ", ".join(f"{k} {_count(v)}" for k, v in site[what].items())]
        for name, site in facts.sites.items()
        for what in ("repaired", "repeated", "forgotten", "orphans", "unknown_attributes", "absent")
        if site.get(what)
    ]
    if notes:
        content += html.paragraph(
            "Repaired rows had characters that XML forbids. Repeated rows came more than once. Forgotten ones were "
            "taken out on request. Orphans belong to a post that is not in the dump. Unknown attributes are counted "
            "and left out. Absent are the bodies of deleted posts, and scores, which old dumps leave out where they "
            "are 0."
        )
        content += html.table(["site", "seen", "rows"], _limited(notes, 3))
    shown = dict(list(facts.summary.distributions.sites.items())[:_SITES_SHOWN])
    content += Markup("<h3>Documents by site and year of the post</h3>") + _sampled(facts)
    content += small_multiples.by_year(
        "documents", {site: {"kept": kept, "dropped": dropped} for site, (kept, dropped) in shown.items()}, "site"
    )
    rows_read = sum(facts.totals["rows"].values())
    return Section("Sites and tables", content, f"{_counted(len(facts.sites), 'site')}, {rows_read:,} rows")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sampled(facts: Facts) -> Markup:
    """A note where not all documents were read for a plot."""
    if not facts.summary.sampled:
        return Markup("")
    shares = ", ".join(f"{share:.0%} of {site}" for site, share in facts.summary.sampled.items())
    return html.paragraph(f"Counted over a sample, drawn by thread: {shares}; of other sites all.", "note")


def _count(value: Any) -> str:
    return f"({', '.join(f'{k} {v:,}' for k, v in value.items())})" if isinstance(value, Mapping) else f"{value:,}"


def _limited(rows: list[list[Any]], width: int) -> list[list[Any]]:
    if len(rows) <= _SITES_SHOWN:
        return rows
    return [*rows[:_SITES_SHOWN], [f"and {len(rows) - _SITES_SHOWN:,} more"] + [""] * (width - 1)]


def _funnel(facts: Facts) -> Section | None:
    """Every row of posts, from the dump to the shards."""
    rows = {name: _steps(site) for name, site in facts.sites.items()}
    reasons = _reasons(facts.totals["dropped"])
    total = _add(rows.values())
    losses = [name for name in ("quarantined", "repeated", "taken out", "other types") if total[name]]
    steps = [
        ("rows of posts in the dump", total["in the dump"], "level"),
        *((name, total[name], "loss") for name in losses),
        ("documents", total["documents"], "level"),
        *((reason.replace("_", " "), facts.totals["dropped"][reason], "loss") for reason in reasons),
        ("kept", total["kept"], "level"),
    ]
    sharded = sum(shard["rows"] for shard in facts.manifest["shards"].values())
    head = ["site", "in the dump", *losses, "documents", *(reason.replace("_", " ") for reason in reasons), "kept"]
    body = [_funnel_row(name, site, losses, facts.sites[name]["dropped"], reasons) for name, site in rows.items()]
    last = _funnel_row("all", total, losses, facts.totals["dropped"], reasons)
    lost = sum(abs(site["lost"]) for site in rows.values()) + abs(total["kept"] - sharded)
    account = (
        f"All rows are accounted for: in each line the rows of posts in the dump, minus the columns marked with a "
        f"minus sign, are the documents and then the kept ones; the {sharded:,} rows of the shards are the kept ones."
        if not lost
        else f"The numbers do not add up: {lost:,} rows are not accounted for."
    )
    content = html.figure(plots.waterfall(steps), "From rows of posts in the dump to rows in the shards")
    content += html.paragraph(account, "" if not lost else "warning")
    content += html.table(head, _limited(body, len(head)), last)
    content += html.paragraph(
        "Other types are tag wikis, nominations and the like; no document is made of them.", "note"
    )
    kept = f"{total['kept']:,} of {total['in the dump']:,} rows of posts are kept"
    return Section("From the dump to the shards", content, kept)


def _steps(site: Mapping[str, Any]) -> dict[str, int]:
    quarantined = site["quarantined_by_table"].get("posts", 0)
    read = site["rows"].get("posts", 0)
    repeated = site["repeated"].get("posts", 0)
    removed = site.get("forgotten", {}).get("posts", 0)
    counts = {"in the dump": read + quarantined, "quarantined": quarantined, "repeated": repeated}
    counts["taken out"] = removed
    counts |= {"other types": site["posts"] - site["documents"], "documents": site["documents"], "kept": site["kept"]}
    # Rows not accounted for. There are none: the manifest would not have been written.
    left = read - repeated - removed - site["posts"]
    counts["lost"] = left + site["documents"] - site["kept"] - sum(site["dropped"].values())
    return counts


def _add(rows: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        total.update(row)
    return total


def _funnel_row(
    name: str, row: Mapping[str, int], losses: list[str], dropped: Mapping[str, int], reasons: list[str]
) -> list[Any]:
    before = [_minus(row[loss]) for loss in losses]
    after = [_minus(dropped.get(reason, 0)) for reason in reasons]
    return [name, row["in the dump"], *before, row["documents"], *after, row["kept"]]


def _minus(count: int) -> str:
    return f"−{count:,}" if count else "–"


def _reasons(dropped: Mapping[str, int]) -> list[str]:
    """Reasons that dropped something, in the order in which they are tried."""
    order = election.meanings()
    return [reason for reason in order if dropped.get(reason)] + sorted(set(dropped) - set(order))


def _rules(facts: Facts) -> Section | None:
    """Drops by rule, with samples."""
    dropped, documents = facts.totals["dropped"], facts.totals["documents"]
    own = facts.manifest["config"]["selection"].get("rules", ())
    says = election.meanings(toml_config.section(SelectionRule, rule, "manifest") for rule in own)
    rows = [
        [reason.replace("_", " "), meaning, dropped.get(reason, 0), html.share(dropped.get(reason, 0), documents)]
        for reason, meaning in says.items()
    ]
    last = ["all", "", sum(dropped.values()), html.share(sum(dropped.values()), documents)]
    content = html.paragraph("The rules in the order in which they are tried; the first that applies is the reason.")
    content += html.table(["rule", "meaning", "dropped", "of documents"], rows, last)
    years = facts.summary.distributions.dropped
    if panels := {reason.replace("_", " "): {"dropped": years[reason]} for reason in says if years.get(reason)}:
        content += Markup("<h3>Dropped by rule and year of the post</h3>") + _sampled(facts)
        content += small_multiples.by_year("documents dropped", panels, "rule")
    for reason in _reasons(dropped):
        if reason in election.DUPLICATES or reason not in facts.summary.dropped:
            continue
        samples = facts.summary.dropped[reason]
        pieces = [html.sample(_heading(sample), html.text(sample.shown.text, 420)) for sample in samples]
        content += _drawn(reason, pieces, dropped[reason])
    return Section("What the rules dropped", content, _counted(sum(dropped.values()), "document"))


def _drawn(name: str, pieces: list[Markup], count: int, says: Markup | str = "") -> Markup:
    """Samples of one rule or kind in a fold."""
    title = Markup("<h3>{}: {} of {}</h3>").format(name.replace("_", " "), len(pieces), f"{count:,}")
    return html.fold(title, Markup("{}{}").format(says, html.samples(pieces)))


def _heading(sample: Sample, with_evidence: bool = True) -> Markup:
    facts = ", ".join(f"{name} {value}" for name, value in sample.evidence.items()) if with_evidence else ""
    heading = html.link(sample.place.key, sample.url)
    if sample.shown.title:
        heading += Markup(" <b>{}</b>").format(sample.shown.title)
    return heading + (Markup(' <span class="evidence">{}</span>').format(facts) if facts else "")


_COUNTED = ("candidates", "similar_but_different", "verified", "members", "clusters")


def _duplicates(facts: Facts) -> Section | None:
    """Copies, beside the posts that stay."""
    duplicates = facts.manifest["signals"]["duplicates"]
    names = {"exact": "exact copies", "near": "near duplicates", "near_code": "copies of code"}
    rows = [
        [names.get(name, name), *(counts.get(part, "–") for part in _COUNTED)] for name, counts in duplicates.items()
    ]
    near = facts.manifest["config"]["near"]
    content = html.paragraph(
        f"Candidates come from MinHash bands; every pair is verified by the exact Jaccard similarity of "
        f"{near['shingle']}-word shingles (of code: tokens), with {near['threshold']} as the threshold, and by signs, "
        "numbers and code, which words do not show. "
        "Of each cluster the accepted post stays, then the one of highest score, then the oldest."
    )
    content += html.table(
        ["form", "candidate pairs", "similar but different", "verified pairs", "members", "clusters"], rows
    )
    similar = facts.summary.distributions.similar
    if similar.sum():
        edges = [float(edge) for edge in np.linspace(0.5, 1.0, 51)]
        first = int(np.flatnonzero(similar)[0])
        title = "Near duplicates by similarity with their survivor"
        plot = plots.columns(title, {"duplicates": similar[first:]}, edges[first:], "Jaccard similarity")
        content += html.grid([html.figure(plot, title)])
    for reason, meaning in election.DUPLICATES.items():
        samples = facts.summary.dropped.get(reason, ())
        if not samples:
            continue
        count = facts.totals["dropped"].get(reason, 0)
        says = html.paragraph(f"Dropped (first) is {meaning} (second). Words that differ are marked.", "note")
        content += _drawn(reason, [_pair(facts, sample) for sample in samples], count, says)
    lost = sum(facts.totals["dropped"].get(reason, 0) for reason in election.DUPLICATES)
    return Section("Duplicates", content, "1 copy" if lost == 1 else f"{lost:,} copies")


def _pair(facts: Facts, sample: Sample) -> Markup:
    stays = facts.summary.survivors.get(str(sample.evidence.get("survivor")))
    if stays is None:
        return html.sample(_heading(sample), html.text(sample.shown.text))
    show = _code if sample.reason == "code_duplicate" else _own
    evidence = ", ".join(f"{k} {v}" for k, v in sample.evidence.items() if k != "survivor")
    left = Markup("{}").format(_heading(sample, False))
    if evidence:
        left += Markup(' <span class="evidence">{}</span>').format(evidence)
    return Markup("<article>{}</article>").format(
        html.beside(show(sample), show(stays), (left, _heading(stays, False)))
    )


def _own(sample: Sample) -> str:
    return sample.shown.text[: sample.shown.own_end]


def _code(sample: Sample) -> str:
    shown = sample.shown
    return "\n".join(shown.text[s:e] for kind, s, e, _ in shown.segments if kind == "code" and e <= shown.own_end)


def _quarantine(facts: Facts) -> Section | None:
    """Rows that could not be read."""
    # Pages that are made beside a training run do without lxml.
    from socorpus.corpus.dump.rows import row_forms

    if not facts.totals["quarantined"]:
        return Section("Quarantine", html.paragraph("Every row of the dump could be read."), "nothing")
    tables: Counter[str] = Counter()
    for site in facts.sites.values():
        tables.update(site["quarantined_by_table"])
    content = html.paragraph("Rows that could not be read lie as they are in quarantine/, with place and reason.")
    content += html.table(["table", "rows"], tables.items(), ["all", facts.totals["quarantined"]])
    pieces = []
    for row, raw in facts.summary.quarantined[:_LISTED]:
        where = f"{Path(row['file']).name}, {row_forms.unit(row['file'])} {row['offset']:,}"
        head = Markup('{} {} <b>{}</b> <span class="evidence">{}</span>').format(
            row["site"], row["table"], where, row["reason"]
        )
        pieces.append(html.sample(head, html.text(raw, 420)))
    return Section("Quarantine", content + html.samples(pieces), _counted(facts.totals["quarantined"], "row"))


def _privacy(facts: Facts) -> Section | None:
    """Personal data and secrets by kind."""
    kinds = facts.manifest["signals"]["privacy"]
    wanted = facts.manifest["config"]["privacy"]["kinds"]
    if not wanted:
        content = html.paragraph("Not looked for (privacy.kinds is empty).")
        return Section("Personal data and secrets", content, "not looked for")
    content = html.paragraph("Found in all documents; the shards, like this page, have placeholders in their place.")
    rows = [[kind.replace("_", " "), kinds.get(kind, 0)] for kind in wanted]
    content += html.table(["kind", "found"], rows, ["all", sum(kinds.values())])
    years = facts.summary.distributions.personal
    if panels := {kind.replace("_", " "): {"found": years[kind]} for kind in wanted if years.get(kind)}:
        content += Markup("<h3>By kind and year of the post</h3>") + _sampled(facts)
        content += small_multiples.by_year("findings", panels, "kind")
    for kind, findings in facts.summary.findings.items():
        pieces = [
            html.sample(
                html.breakable(finding.key),
                Markup('<div class="text">…{}<mark>{}</mark>{}…</div>').format(
                    finding.before, finding.placeholder, finding.after
                ),
            )
            for finding in findings
        ]
        content += _drawn(kind, pieces, kinds.get(kind, 0))
    return Section("Personal data and secrets", content, f"{sum(kinds.values()):,} found")


def _contamination(facts: Facts) -> Section | None:
    """Overlap with benchmarks."""
    config = facts.manifest["config"]
    files = config["contamination"]["benchmarks"]
    if not files:
        content = html.paragraph("The corpus was compared with no benchmark (contamination.benchmarks).")
        return Section("Benchmarks", content, "none compared")
    hits = facts.summary.benchmarks
    content = html.paragraph(
        f"Documents that share {config['contamination']['ngram']}-word sequences with an example of a benchmark. "
        f"Dropped are those that hold more than {config['selection']['max_overlap']:.0%} of an example's sequences: "
        f"{facts.totals['dropped'].get('contaminated', 0):,}."
    )
    names = sorted({*files, *hits}, key=lambda name: (-hits[name], name))
    # A hit names the file as the stage does, which may be its bare name.
    names = [name for name in names if hits[name] or not any(Path(name).name == Path(hit).name for hit in hits)]
    content += html.table(["benchmark", "documents with an overlap"], [[Path(name).name, hits[name]] for name in names])
    content += html.samples(
        html.sample(_heading(sample), html.text(sample.shown.text, 420)) for sample in facts.summary.overlapping
    )
    return Section("Benchmarks", content, f"{_counted(sum(hits.values()), 'document')} with an overlap")


def _plugin_signals(facts: Facts) -> Section | None:
    """Signals of plug-ins: origin, meaning of the columns, and counts of the values."""
    own = {name: origin for name in facts.manifest["signals"] if name in SIGNALS and (origin := SIGNALS.origin(name))}
    content = Markup("")
    for name, origin in own.items():
        meaning = SIGNALS[name].meaning or {}
        content += Markup("<h3>{} <span>{}</span></h3>").format(name, origin.name)
        content += html.table(
            ["column", "type", "meaning"],
            [
                [column, str(SIGNALS[name].columns.field(column).type), meaning.get(column, "")]
                for column in SIGNALS[name].own_columns
            ],
        )
        counts = facts.manifest["signals"][name]
        content += html.table(["value", "documents"], _limited([[value, count] for value, count in counts.items()], 2))
    lacking = [name for name in facts.manifest["signals"] if name not in SIGNALS]
    for name in lacking:
        content += Markup("<h3>{} <span>of a plug-in that is not known here</span></h3>").format(name)
        counts = facts.manifest["signals"][name]
        content += html.table(["value", "documents"], _limited([[value, count] for value, count in counts.items()], 2))
    return Section("Signals of plug-ins", content, ", ".join((*own, *lacking))) if own or lacking else None


def _distributions(facts: Facts) -> Section | None:
    """Distributions over the documents."""
    distributions = facts.summary.distributions
    if not distributions.documents:
        return None
    content = _sampled(facts)
    words = plots.factors(1, summary.WORDS, 40)
    lengths = {
        "all": plots.by_factor(distributions.words[0], words),
        "kept": plots.by_factor(distributions.words[1], words),
    }
    low, high = summary.SCORES
    scores = {"questions": distributions.scores[0], "answers": distributions.scores[1]}
    shown = slice(0, max(int(np.flatnonzero(distributions.scores.sum(0)).max()) + 1, 1 - low))
    edges = [float(edge) for edge in range(low, high + 2)]
    scores = {kind: counts[shown] for kind, counts in scores.items()}
    twentieths = [5.0 * edge for edge in range(21)]
    code = int(distributions.code[1:].sum())
    plotted: dict[str, Callable[[str], plots.Plot]] = {
        "Documents by length": lambda name: plots.lines(name, lengths, words, "words of the post's own text"),
        "Documents by score": lambda name: plots.columns(name, scores, edges[: shown.stop + 1], "score", log=True),
        "Documents by year": lambda name: plots.stacked(
            name, {f"{kind}s": years for kind, years in distributions.years.items()}, "year"
        ),
        f"Share of code, of the {code:,} documents that have any": lambda name: plots.columns(
            name, {"documents": distributions.code[1:]}, twentieths, "% of the post's own text"
        ),
    }
    ranked = {
        "Tags of questions": dict(distributions.tags.most_common(_LISTED)),
        "Natural languages": _top(facts.manifest["signals"]["language"]),
        "Code blocks by language": _top(facts.manifest["pairs"]),
    }
    figures = [html.figure(plot(name), name) for name, plot in plotted.items()]
    figures += [html.figure(plots.bars(name, counts), name) for name, counts in ranked.items() if counts]
    quantiles = [
        [name, *(int(summary.median(counts, share)) for share in (0.05, 0.25, 0.5, 0.75, 0.95, 0.99))]
        for name, counts in (("all", distributions.words[0]), ("kept", distributions.words[1]))
    ]
    content += html.grid(figures)
    content += html.table(["words of documents", "5%", "25%", "median", "75%", "95%", "99%"], quantiles)
    middle = summary.median(distributions.words[0])
    return Section("What the documents are like", content, f"half of them have up to {_counted(middle, 'word')}")


def _top(counts: Mapping[str, int]) -> dict[str, int]:
    return {("not known" if name == "None" else name): count for name, count in list(counts.items())[:_LISTED]}


def _tokens(facts: Facts) -> Section | None:
    """The tokenizer, and lengths in tokens."""
    shards, counts = facts.manifest["shards"], facts.summary.tokens
    entries = facts.manifest["tokenizer"].get("entries", 0)
    tokens = sum(shard.get("tokens", 0) for shard in shards.values())
    text_bytes = sum(shard.get("text_bytes", 0) for shard in shards.values())
    content = html.paragraph(
        f"A byte-level BPE of {entries:,} entries, {text_bytes / tokens:.2f} bytes a token. The {counts.validation:,} "
        f"tokens of the validation split that were read use {html.share(counts.used, entries)} of the entries."
        if tokens
        else "The shards hold no tokens."
    )
    rows = []
    for split, shard in shards.items():
        lengths = counts.lengths.get(split, np.zeros(1, np.int64))
        read = int(lengths.sum())
        code = html.share(shard.get("code_tokens", 0), shard.get("tokens", 0))
        over = [html.share(int(lengths[limit + 1 :].sum()), read) for limit in (512, 2048)]
        middle = summary.median(lengths) if read else None
        rows.append([split, shard["files"], shard["rows"], shard.get("tokens", 0), code, middle, *over])
    head = ["split", "files", "documents", "tokens", "of code", "median length", "over 512 tokens", "over 2,048 tokens"]
    every = sum(shard["rows"] for shard in shards.values())
    code = html.share(sum(shard.get("code_tokens", 0) for shard in shards.values()), tokens)
    both = sum(counts.lengths.values(), np.zeros(summary.LENGTHS + 1, np.int64))
    read = int(both.sum())
    over = [html.share(int(both[limit + 1 :].sum()), read) for limit in (512, 2048)]
    files = sum(shard["files"] for shard in shards.values())
    content += html.table(
        head, rows, ["all", files, every, tokens, code, summary.median(both) if read else None, *over]
    )
    if counts.sampled:
        content += html.paragraph(f"Lengths are those of {read:,} documents, read in the order of the shuffle.", "note")
    if read:
        edges = plots.factors(4, summary.LENGTHS, 40)
        title = "Documents by length in tokens; dotted: 512 and 2,048"
        plot = plots.lines(title, {"documents": plots.by_factor(both, edges)}, edges, "tokens", (512, 2048))
        content += html.grid([html.figure(plot, title)])
    if counts.longest:
        content += html.paragraph(
            "The longest: " + ", ".join(f"{key} ({size:,})" for key, size in counts.longest) + "."
        )
    return Section("Tokenizer and shards", content, f"{tokens:,} tokens in {_counted(files, 'file')}")


def _changes(facts: Facts) -> Section | None:
    """Changes in a newer dump."""
    changes, reused = facts.manifest["changes"], facts.manifest["reused"]
    if not changes and not any(reused.values()):
        return None
    content = Markup("")
    if changes:
        kinds = ("new", "changed", "unchanged", "gone")
        rows = [[site, *(counts[kind] for kind in kinds)] for site, counts in changes.items()]
        last = ["all", *(sum(counts[kind] for counts in changes.values()) for kind in kinds)]
        content += html.paragraph("Posts of these dumps, compared with those of the previous build.")
        content += html.table(["site", *kinds], _limited(rows, 5), last)
        examples = [
            [site, kind, ", ".join(map(str, counts["examples"].get(kind, ())))]
            for site, counts in changes.items()
            for kind in ("new", "changed", "gone")
            if counts["examples"].get(kind)
        ]
        content += html.table(["site", "posts", "the first of them"], _limited(examples, 3))
    if any(reused.values()):
        content += html.paragraph(
            "Rows of signals used again from the previous build, as their documents are the same:"
        )
        documents = facts.totals["documents"]
        rows = [
            [name.replace("_", " "), count, html.share(count, documents)] for name, count in reused.items() if count
        ]
        content += html.table(["signal", "rows used again", "of documents"], rows)
    counts = {kind: sum(counts[kind] for counts in changes.values()) for kind in ("new", "changed", "gone")}
    brief = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) if changes else ""
    return Section("Since the previous build", content, brief)


def _licences(facts: Facts) -> Section | None:
    """Licences and their terms."""
    counts = facts.manifest["licenses"]
    rows = [[name, count, html.share(count, sum(counts.values()))] for name, count in counts.items()]
    content = html.table(["licence", "documents", "of documents"], rows, ["all", sum(counts.values()), "100.0%"])
    content += html.paragraph(
        "Every document and every row of the shards carries its licence, its author where the dump names one, and its "
        "address. CC BY-SA asks those who share the text, or a work made from it, to name author and source, to say "
        "what was changed, and to share under the same terms. The shards change the text: markup becomes plain text, "
        "personal data and secrets become placeholders."
    )
    return Section("Licences and attribution", content, ", ".join(counts))


def _configuration(facts: Facts) -> Section | None:
    """The configuration and the sources."""
    config = facts.manifest["config"]
    whole = {name: value for name, value in config.items() if not isinstance(value, Mapping)}
    tables = {"": whole} | {name: value for name, value in config.items() if isinstance(value, Mapping)}
    rows = [
        [section, name, json.dumps(value, ensure_ascii=False)]
        for section, values in tables.items()
        for name, value in values.items()
    ]
    content = html.table(["section", "key", "value"], [[a, b, Markup("<code>{}</code>").format(c)] for a, b, c in rows])
    files: dict[str, set[str]] = {}
    for source in facts.manifest["sources"]:
        files.setdefault(source["site"], set()).add(source["file"].rpartition("/")[2])
    rows = [[site, ", ".join(sorted(names))] for site, names in sorted(files.items())]
    content += html.table(["site", "files"], _limited(rows, 2))
    return Section("Configuration", content)


def _time(facts: Facts) -> Section | None:
    """Seconds by stage."""
    if not facts.seconds:
        return None
    posts, total = facts.totals["posts"], sum(seconds for _, seconds in facts.seconds.values())
    rows = [
        [stage, items, f"{seconds:,.2f}", html.share(seconds, total), f"{posts / seconds:,.0f}" if seconds else "–"]
        for stage, (items, seconds) in facts.seconds.items()
    ]
    every = f"{posts / total:,.0f}" if total else "–"
    content = html.paragraph(
        "Seconds of work, summed over the work items of each stage as they last ran, on all workers."
    )
    content += html.table(
        ["stage", "work items", "seconds", "of all", "posts a second"],
        rows,
        ["all", sum(items for items, _ in facts.seconds.values()), f"{total:,.2f}", "100.0%", every],
    )
    return Section("Time", content, f"{total:,.0f} seconds of work")


SECTIONS: tuple[Callable[[Facts], Section | None], ...] = (
    _funnel,
    _sites,
    _rules,
    _duplicates,
    _quarantine,
    _privacy,
    _contamination,
    _plugin_signals,
    _distributions,
    _tokens,
    _changes,
    _licences,
    _configuration,
    _time,
)
"""The sections of the page, in order."""

AFTER = _tokens
"""Sections of other packages follow this one."""
