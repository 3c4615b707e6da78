"""The ladder on which calls step down when lookups fail: live, cache, range, default."""
