"""Systems for spans: a conditional random field on words, and all that the package has for entities."""
