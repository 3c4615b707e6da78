"""What is legal in tables and probably not meant; and rules that no order parts."""
