"""Reading a dump: sources, archives, and XML rows as typed tables."""
