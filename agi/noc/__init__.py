"""The process for people: hears Asterisk, judges trunks, counts, and tells whoever asks."""
