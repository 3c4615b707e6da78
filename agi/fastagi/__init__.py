"""How calls arrive: the AGI wire, the script's arguments, the server."""
