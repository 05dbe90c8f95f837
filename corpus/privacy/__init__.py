"""Personal data and secrets: finding them, and putting placeholders in their place."""
