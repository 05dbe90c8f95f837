"""Facts of each post that the dump states, settled once for all tasks: closed, by whom and why, duplicate, moved."""
