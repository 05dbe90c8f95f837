"""The quality of labels: coverage, conflicts, leaks, likely errors."""
