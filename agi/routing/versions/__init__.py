"""The store of versions: what is in force, what was, who did it and why."""
