"""Labels in the formats of other tools, a module a format."""
