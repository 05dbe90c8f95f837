"""Our tasks, in the order in which they are labelled and listed. A new one needs its module and a line here."""

from socorpus.labeling.schema import TASKS
from socorpus.labeling.tasks import closure, quality
from socorpus.labeling.tasks.entities import task as entities
from socorpus.labeling.tasks.obsolescence import functions as obsolescence

for _task in (quality.TASK, closure.TASK, obsolescence.TASK, entities.TASK):
    TASKS.add(_task.name, _task)
