"""From the bytes of a directory of tables to what they say, with every fault and its place."""
