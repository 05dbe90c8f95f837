"""Labels for other programs."""
