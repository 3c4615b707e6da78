"""The decision journal: what every call was told, and what that was decided from."""
