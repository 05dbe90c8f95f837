"""How good labels are: coverage, conflicts, leaks, likely errors."""
