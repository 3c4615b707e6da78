"""How calls ended: Asterisk's manager interface (AMI), read; attempts, figures, trouble."""
