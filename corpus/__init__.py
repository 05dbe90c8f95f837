"""From a Stack Exchange data dump to curated, aligned, deduplicated Parquet shards.

The names below are the package's Python API (docs/python.md); each is imported when it is first used.
"""

from typing import TYPE_CHECKING

from socorpus.corpus.lazy import hand_on

if TYPE_CHECKING:
    from socorpus.corpus.api import (
        abandon,
        active_plugins,
        build,
        discover,
        explain,
        inspect,
        load_config,
        plan_build,
        plugins_left_out,
        preview,
        status,
        tokenize,
        use_plugins,
        verify,
        write_sample,
    )
    from socorpus.corpus.config import Config
    from socorpus.corpus.dump.rows.source_plugins import source
    from socorpus.corpus.engine.verification import Verification
    from socorpus.corpus.engine.work import Progress, Whole
    from socorpus.corpus.errors import BuildError, InputError, SocorpusError, SocorpusWarning
    from socorpus.corpus.finished import Corpus, Thread
    from socorpus.corpus.installation import Advice, check_installation
    from socorpus.corpus.pipeline import compile_kernels
    from socorpus.corpus.report.run_log import RunLog
    from socorpus.corpus.report.story import Story
    from socorpus.corpus.signals.base import Preparation, signal
    from socorpus.corpus.storage.boundary import Stopped, explain_error
    from socorpus.corpus.toml_config import to_toml

    __version__: str

__all__ = [
    "Advice",
    "BuildError",
    "Config",
    "Corpus",
    "InputError",
    "Preparation",
    "Progress",
    "RunLog",
    "SocorpusError",
    "SocorpusWarning",
    "Stopped",
    "Story",
    "Thread",
    "Verification",
    "Whole",
    "__version__",
    "abandon",
    "active_plugins",
    "build",
    "check_installation",
    "compile_kernels",
    "discover",
    "explain",
    "explain_error",
    "inspect",
    "load_config",
    "plan_build",
    "plugins_left_out",
    "preview",
    "signal",
    "source",
    "status",
    "to_toml",
    "tokenize",
    "use_plugins",
    "verify",
    "write_sample",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = hand_on(
        __name__,
        {
            "api": "abandon active_plugins build discover explain inspect load_config plan_build plugins_left_out "
            "preview status tokenize use_plugins verify write_sample",
            "config": "Config",
            "dump.rows.source_plugins": "source",
            "engine.work": "Progress Whole",
            "errors": "BuildError InputError SocorpusError SocorpusWarning",
            "finished": "Corpus Thread",
            "installation": "Advice check_installation",
            "pipeline": "compile_kernels",
            "signals.base": "Preparation signal",
            "storage.boundary": "Stopped explain_error",
            "report.run_log": "RunLog",
            "report.story": "Story",
            "toml_config": "to_toml",
            "engine.verification": "Verification",
        },
    )
