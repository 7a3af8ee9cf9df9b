"""targeting: who gets which offer, when, through which channel, and why not."""
