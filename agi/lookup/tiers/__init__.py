"""Where answers are kept, nearest first."""
