"""Which way out: typed rows, one immutable table, the choice of trunks."""
