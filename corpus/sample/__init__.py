"""A made-up dump with known truth, for tests, benchmarks and trying things out."""
