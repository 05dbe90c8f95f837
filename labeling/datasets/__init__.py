"""Readers of public benchmarks of the tasks."""
