"""Carries envelopes between the actor's queue and the handler beside it."""
