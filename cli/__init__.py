"""The `socorpus` command: parse, call, print."""
