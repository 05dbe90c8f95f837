"""Label Studio: a server on this machine, its client, and the two-way sync."""
