"""A corpus as a folder for others: tables for a hub or a trainer, with card, licences, attribution and datasheet."""
