"""Doubles that we ship: provider APIs and faults to try the product with."""
