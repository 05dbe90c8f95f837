"""Storage: all input and output of a corpus's files."""
