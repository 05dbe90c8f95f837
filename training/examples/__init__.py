"""Examples of the tasks: readers, predictions, metrics."""
