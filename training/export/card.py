"""The model card of an export: architecture, data, cost and use."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FAMILIES = {
    "sobert": "Megatron's BERT: pre-norm, learned positions, GELU, biases",
    "modern": "ModernBERT's shape: RoPE, GeGLU, no biases, local and global attention",
}
_LICENCES = "https://creativecommons.org/licenses/by-sa"


def text(facts: Mapping[str, Any], manifest: Mapping[str, Any], toml: str) -> str:
    """README.md of an exported model.

    Args:
        facts: contents of export.json.
        manifest: contents of MANIFEST.json of the corpus, or `merged` ones.
        toml: text of run.toml.
    """
    parts = [
        _front(facts, manifest),
        _what(facts, manifest),
        _use_for_sentences(facts) if facts["sentence"] else _use(facts),
        _data(facts, manifest),
        _training(facts),
        _scores(facts),
        _same(facts),
        f"## Configuration of the run\n\n```toml\n{toml.strip()}\n```",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def merged(manifests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the card says of a corpus, over all corpora of a mixture; a site's name that recurs gets a number."""
    sites: dict[str, Any] = {}
    for manifest in manifests:
        for name, site in manifest["sites"].items():
            again = sum(known == name or known.startswith(f"{name} (") for known in sites)
            sites[name if not again else f"{name} ({again + 1})"] = site
    licences: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    tokens: Counter[str] = Counter()
    for manifest in manifests:
        licences.update(manifest["licenses"])
        languages.update(manifest.get("signals", {}).get("language", {}))
        tokens.update({name: split["tokens"] for name, split in manifest["shards"].items()})
    return {
        "sites": sites,
        "licenses": dict(licences),
        "signals": {"language": dict(languages)},
        "shards": {name: {"tokens": count} for name, count in tokens.items()},
    }


def _front(facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The YAML block: strings are written as JSON, which YAML reads."""
    lines = ["---", "library_name: transformers", "pipeline_tag: fill-mask"]
    lines += [f"mask_token: {json.dumps(facts.get('mask', '[MASK]'))}"]
    if facts["sentence"]:
        lines = ["---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity"]
    languages = manifest.get("signals", {}).get("language", {})
    total = sum(languages.values())
    common = [name for name, count in languages.items() if name != "None" and count >= total / 100]
    if common:
        lines += ["language:", *(f"- {json.dumps(name)}" for name in common)]
    lines += ["license: other", "license_name: not-chosen-see-the-card"]
    tags = ["stack-exchange", "masked-language-modelling", "code"]
    tags += ["sentence-transformers", "feature-extraction"] if facts["sentence"] else []
    lines += ["tags:", *(f"- {tag}" for tag in tags), "---"]
    return "\n".join(lines)


def _what(facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    shape = facts["model"]
    hosts = [site["host"] or name for name, site in manifest["sites"].items()]
    shown = ", ".join(hosts) if len(hosts) <= 5 else f"{len(hosts)} sites of Stack Exchange"
    rows: list[tuple[str, Any]] = [
        ("family", f"{shape['family']} ({_FAMILIES[shape['family']]}); `{facts['architecture']}`"),
        ("parameters", f"{facts['parameters']:,}"),
        ("layers", shape["layers"]),
        ("hidden, feed-forward", f"{shape['hidden']:,}, {shape['ffn']:,}"),
        ("attention heads", shape["heads"]),
        ("context", f"{shape['max_length']:,} tokens"),
    ]
    if shape["family"] == "modern":
        rows.append(("attention", f"global every {shape['global_every']} layers, else {shape['window']} tokens around"))
    vocabulary = facts["vocabulary"]
    rows.append(("vocabulary", f"{vocabulary['entries']:,} entries, {vocabulary['rows']:,} rows in the embedding"))
    begun = "from the start" if facts.get("init") is None else f"from the weights of {facts['init']['name']} on"
    return (
        f"# An encoder of questions, answers and code\n\nPre-trained {begun} by masked language modelling on "
        f"posts of {shown}, with `socorpus`.\n\n{_table(('', ''), rows)}"
    )


def _use(facts: Mapping[str, Any]) -> str:
    return f"""## Use

```python
from transformers import pipeline

fill = pipeline("fill-mask", "PATH OR NAME OF THIS MODEL")
fill("How do I sort a {facts.get("mask", "[MASK]")} in Python?")
```

Text that may itself say so is tokenized as in training with `tokenizer(text, split_special_tokens=True)`. Longer
documents than {facts["model"]["max_length"]:,} tokens must be cut (`truncation=True`).

It gives vectors and fills gaps; it answers no questions. It has seen what people wrote, with their errors and leanings;
personal data in it was replaced where it was recognised, which is never everywhere."""


def _use_for_sentences(facts: Mapping[str, Any]) -> str:
    return f"""## Use

```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("PATH OR NAME OF THIS MODEL")
vectors = model.encode(["How do I sort a list?", "Sorting a list in Python"])
print(model.similarity(vectors, vectors))
```

A text's vector, of {facts["model"]["hidden"]:,} numbers, is the mean of its tokens' vectors, special tokens
included. Longer texts than {facts["model"]["max_length"]:,} tokens are cut. Text that says "[MASK]" is read as text.

Training was masked language modelling only, not of similar texts: the vectors are a start for training on pairs, such
as questions and their answers or duplicates, and without it they tell texts apart poorly. The head that fills gaps is
left out.

It has seen what people wrote, with their errors and leanings; personal data in it was replaced where it was
recognised, which is never everywhere."""


def _data(facts: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    sites = [
        (_site(name, site), site.get("released") or "not recorded", f"{site['kept']:,}")
        for name, site in manifest["sites"].items()
    ]
    licences = [(_licence(name), f"{count:,}") for name, count in manifest["licenses"].items()]
    shards = manifest["shards"]
    sizes = ", ".join(f"{name} {shards[name]['tokens']:,}" for name in shards)
    again = ""
    if facts["corpus"]["built_again"]:
        again = (
            "\n\nThe corpus has been built again since this model was trained, with the same tokenizer: "
            "the figures above are those of the corpus now."
        )
    return f"""## Data and attribution

Posts from Stack Exchange's data dump; tokens: {sizes}.

{_mixture(facts)}{_table(("site", "dump of", "documents kept"), sites)}

Their authors licensed them under Creative Commons Attribution-ShareAlike, in these versions:

{_table(("licence", "documents, dropped ones included"), licences)}

Each document of the corpus has its author's name, its address (where that of its site is known) and its licence in the
columns `author`, `url` and `license`: that is the attribution of single works. The text was changed: extracted from
HTML, duplicates dropped, personal data and secrets replaced. Whether a model trained on such text is derived from it
in the licence's sense is disputed, so this card chooses no licence for the weights: whoever publishes them does, and
writes it into the block at the top of this file. The dump's publisher has terms of its own; see them where the dump is
downloaded.{again}"""


def _mixture(facts: Mapping[str, Any]) -> str:
    corpora = facts.get("corpora", [])
    if not corpora:
        return ""
    rows = [
        (part["name"], f"{part['share']:.1%}", "no limit" if part["epochs"] is None else f"{part['epochs']:g}")
        for part in corpora
    ]
    gone = [part["name"] for part in corpora if not part["at_hand"]]
    missing = ""
    if gone:
        missing = f"\n\nNot at hand when this card was written, and not in the tables below: {', '.join(gone)}."
    return f"A mixture:\n\n{_table(('corpus', 'share of the tokens', 'passes at most'), rows)}{missing}\n\n"


def _site(name: str, site: Mapping[str, Any]) -> str:
    if site["host"] is None:
        return f"{name} (its address is not known)"
    # Corpora of older releases have no `url`.
    return f"[{site['host']}]({site.get('url') or 'https://' + site['host']})"


def _training(facts: Mapping[str, Any]) -> str:
    rest = "" if facts["step"] >= facts["steps"] else f" of {facts['steps']:,} planned; the run had not ended"
    rows = [
        ("steps", f"{facts['step']:,}{rest}"),
        ("tokens seen", f"{facts['tokens']:,}"),
        ("arithmetic", f"{facts['flops']:.3g} floating-point operations"),
        ("device", facts["device"] or "not recorded"),
        ("hours of one device", "not recorded" if facts["gpu_hours"] is None else f"{facts['gpu_hours']:,.3f}"),
        ("dollars", "not recorded" if facts["dollars"] is None else f"{facts['dollars']:,.2f}"),
        ("made with", f"socorpus {facts['socorpus']}, torch {facts['torch']}"),
    ]
    return f"## Training\n\n{_table(('', ''), rows)}"


def _scores(facts: Mapping[str, Any]) -> str:
    scores = facts["validation"]
    if scores is None:
        return "## Held-out scores\n\nNone were taken."
    rows = [
        (name, f"{scores[f'loss{key}']:.3f}", f"{scores[f'accuracy{key}']:.1%}")
        for name, key in (("prose", "_prose"), ("code", "_code"), ("both", ""))
        if f"loss{key}" in scores
    ]
    for part in facts.get("corpora", []):
        if f"loss/{part['name']}" in scores:
            loss, right = scores[f"loss/{part['name']}"], scores[f"accuracy/{part['name']}"]
            rows.append((f"of {part['name']}", f"{loss:.3f}", f"{right:.1%}"))
    return (
        f"## Held-out scores\n\nOn masked tokens of the corpus's validation split, at step {scores['step']:,}.\n"
        "The loss depends on the vocabulary: compare only models with the same tokenizer.\n\n"
        f"{_table(('text', 'loss, nats a token', 'right'), rows)}"
    )


def _same(facts: Mapping[str, Any]) -> str:
    compared = "Vectors of tokens" if facts["sentence"] else "Logits"
    lengths = ", ".join(f"{length:,}" for length in facts["proof"]["document_tokens"])
    return (
        "## Same as the trained model\n\n"
        f"{compared} of this folder's model under transformers {facts['transformers']} and of the trained one differ "
        f"by {facts['largest_difference']:.1e} at most,\nin float32 on the CPU, for documents of the "
        f"{facts['proof']['split']} split with {lengths} tokens: packed there, padded here."
    )


def _licence(name: str) -> str:
    number = name.removeprefix("CC BY-SA ")
    return f"[{name}]({_LICENCES}/{number}/)" if number != name else name


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])
