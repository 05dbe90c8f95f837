"""Secrets that no name gives away but their place: in commands, calls, prompts, and lines of configuration formats."""
