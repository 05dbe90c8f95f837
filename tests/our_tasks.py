"""Our tasks by name, for tests that need one."""

from socorpus.labeling.schema import TASKS

QUALITY, CLOSURE, OBSOLESCENCE, ENTITIES = (TASKS[name] for name in ("quality", "closure", "obsolescence", "entities"))
