"""What a notebook remembers of an answer: result digest, stamp, verification of receipts. Pure."""
