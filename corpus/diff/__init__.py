"""What changed between two corpora, or in one corpus by a build."""
