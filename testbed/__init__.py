"""Real clouds on one machine, for tests that no simulation can stand in for."""
