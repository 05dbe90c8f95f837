"""The comparison of systems on tasks."""
