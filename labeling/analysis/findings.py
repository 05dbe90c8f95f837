"""The analysis of a task's labels, as whoever asked for it reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from socorpus.labeling.analysis import functions, report_sections

Table = tuple[list[str], list[list[Any]]]
"""Heads of columns, and rows."""


@dataclass(frozen=True)
class Analysis:
    """How good the labels of a task are; `facts` is the content of `labels/TASK/analysis.json`."""

    task: str
    facts: Mapping[str, Any]

    def functions(self) -> Table:
        """A row a labelling function: votes, coverage, overlap, conflict, accuracy, accuracy against people."""
        head = [self.task, *report_sections.FUNCTION_HEAD[1:-1]]
        return head, [row[:-1] for row in report_sections.function_rows(self.facts)]

    def leaks(self) -> Table:
        """What markup, length or tags alone predict; no rows where there were too few labels to tell."""
        return report_sections.AUDIT_HEAD, report_sections.audit_rows(self.facts)

    def likely_errors(self) -> list[Mapping[str, Any]]:
        """Labels that are probably wrong, the likeliest first: `key`, `label`, `rather` and its `probability`."""
        return list(self.facts["errors"]["found"])

    def summary(self) -> list[str]:
        """Agreement, and what people say, in sentences."""
        return functions.summary(self.facts)
