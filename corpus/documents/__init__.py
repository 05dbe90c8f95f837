"""Documents: a post with its comments as text, with spans of prose and code."""
