"""Cedar policies to decisions."""
