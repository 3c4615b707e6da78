"""The command ``dialdip``, a file for each group of verbs."""
