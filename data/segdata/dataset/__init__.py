"""A prepared dataset on disk: its arrays, which classes it has, how it looks."""
