"""Weak labels for tasks, their analysis, and the two-way sync with Label Studio.

The names below are the package's Python API (docs/python.md); each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from socorpus.corpus.lazy import hand_on

if TYPE_CHECKING:
    from socorpus.labeling.analysis.accuracy import Accuracy
    from socorpus.labeling.analysis.differences.label_diff import LabelDiff
    from socorpus.labeling.analysis.differences.whole_diff import Diff
    from socorpus.labeling.analysis.estimate import Recall, Share
    from socorpus.labeling.analysis.findings import Analysis
    from socorpus.labeling.analysis.tryout import Trial
    from socorpus.labeling.api import (
        accuracy,
        analyze,
        apply,
        browse,
        check_forgotten,
        diff,
        diff_labels,
        explain_labels,
        export_labels,
        forget,
        import_judgements,
        install_studio,
        judge_names,
        label_examples,
        label_slices,
        lift_forgotten,
        publish,
        score,
        studio,
        sync,
        task_named,
        task_names,
        tasks_without_functions,
        train_score,
        try_functions,
        write_report,
        write_sheet,
    )
    from socorpus.labeling.functions import Threads, Vote, votes
    from socorpus.labeling.judgements.importing import Imported
    from socorpus.labeling.judgements.sheet import Sheet
    from socorpus.labeling.label_studio.sync import Synced
    from socorpus.labeling.pipeline import last_stage
    from socorpus.labeling.publishing.publication import Published
    from socorpus.labeling.schema import Task, task
    from socorpus.labeling.studio_check import LabelStudio, check_studio, compile_label_kernels
    from socorpus.labeling.takedown.forgetting import Forgotten
    from socorpus.labeling.tasks.defaults import published as published_examples
    from socorpus.labeling.tasks.obsolescence.lexicons import lexicon

    __version__: str

__all__ = [
    "Accuracy",
    "Analysis",
    "Diff",
    "Forgotten",
    "Imported",
    "LabelDiff",
    "LabelStudio",
    "Published",
    "Recall",
    "Share",
    "Sheet",
    "Synced",
    "Task",
    "Threads",
    "Trial",
    "Vote",
    "__version__",
    "accuracy",
    "analyze",
    "apply",
    "browse",
    "check_forgotten",
    "check_studio",
    "compile_label_kernels",
    "diff",
    "diff_labels",
    "explain_labels",
    "export_labels",
    "forget",
    "import_judgements",
    "install_studio",
    "judge_names",
    "label_examples",
    "label_slices",
    "last_stage",
    "lexicon",
    "lift_forgotten",
    "publish",
    "published_examples",
    "score",
    "studio",
    "sync",
    "task",
    "task_named",
    "task_names",
    "tasks_without_functions",
    "train_score",
    "try_functions",
    "votes",
    "write_report",
    "write_sheet",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = hand_on(
        __name__,
        {
            "analysis.accuracy": "Accuracy",
            "analysis.estimate": "Recall Share",
            "analysis.findings": "Analysis",
            "analysis.differences.label_diff": "LabelDiff",
            "analysis.tryout": "Trial",
            "analysis.differences.whole_diff": "Diff",
            "api": "accuracy analyze apply browse check_forgotten diff diff_labels explain_labels export_labels forget "
            "import_judgements install_studio judge_names label_examples label_slices lift_forgotten publish score "
            "studio sync task_named task_names tasks_without_functions train_score try_functions write_report "
            "write_sheet",
            "functions": "Threads Vote votes",
            "studio_check": "LabelStudio check_studio compile_label_kernels",
            "judgements.importing": "Imported",
            "judgements.sheet": "Sheet",
            "label_studio.sync": "Synced",
            "pipeline": "last_stage",
            "publishing.publication": "Published",
            "schema": "Task task",
            "takedown.forgetting": "Forgotten",
            "tasks.defaults": "published:published_examples",
            "tasks.obsolescence.lexicons": "lexicon",
        },
    )
