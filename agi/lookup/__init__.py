"""Who serves the number: providers, flights, tiers, one pipeline."""
