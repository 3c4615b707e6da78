"""Reads an Asterisk's own files and says what in them would hurt the calls that we route."""
