"""Coriolis: agentless VM migration and disaster recovery between clouds."""

__version__ = "0.1.0"
