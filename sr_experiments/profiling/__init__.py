"""What a net costs here: time in several ways of running it, memory, how far it looks."""
