"""Words: the one notion of a word, for all scripts and for code."""
