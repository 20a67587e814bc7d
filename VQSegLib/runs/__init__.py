"""Training runs in the background: a process of its own each, found again from its folder."""
