"""dialdip: which network serves this number today, and which trunk reaches it."""
