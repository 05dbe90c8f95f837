"""The analysis of a task's labels, as tables and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from socorpus.labeling.analysis import functions, report_sections

Table = tuple[list[str], list[list[Any]]]
"""Heads of columns, and rows."""


@dataclass(frozen=True)
class Analysis:
    """The quality of a task's labels.

    Attributes:
        facts: the content of `labels/TASK/analysis.json`.
        seconds: processor time of each labelling function over the corpus, the slowest first; it is in no file that is
            the same for every build.
    """

    task: str
    facts: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)

    def functions(self) -> Table:
        """One row per labelling function: votes, coverage, overlap, conflict, accuracy, accuracy against people."""
        head = [self.task, *report_sections.FUNCTION_HEAD[1:-1]]
        return head, [row[:-1] for row in report_sections.function_rows(self.facts)]

    def costs(self) -> Table:
        """One row per labelling function, the slowest first: seconds of processor time, milliseconds an example.

        What several functions read of a post is found when the first of them asks, and counts as this one's time.
        """
        examples = max(self.facts["examples"], 1)
        rows = [[name, round(spent, 2), round(1000 * spent / examples, 4)] for name, spent in self.seconds.items()]
        return [self.task, "seconds", "ms an example"], rows

    def leaks(self) -> Table:
        """Scores of models that see only markup, length or tags; no rows where there were too few labels."""
        return report_sections.AUDIT_HEAD, report_sections.audit_rows(self.facts)

    def reliability(self) -> Table:
        """Probabilities against held-out judgements by bins; no rows where too few labels were judged."""
        return report_sections.RELIABILITY_HEAD, report_sections.reliability_rows(self.facts)

    def agreement(self) -> Table:
        """Agreement of people on each label; no rows where no two judged the same."""
        return report_sections.AGREEMENT_HEAD, report_sections.agreement_rows(self.facts)

    def likely_errors(self) -> list[Mapping[str, Any]]:
        """Labels that are probably wrong: `key`, `label`, `rather` and its `probability`.

        The likeliest of each label comes first, then the second of each, and so on: so no rare label takes all places.
        """
        return list(self.facts["errors"]["found"])

    def summary(self) -> list[str]:
        """Agreement, and comparison with people's labels, in sentences."""
        return functions.summary(self.facts)
