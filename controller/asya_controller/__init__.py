"""Turns AsyncActors into queues, pods and autoscalers, and says in status how they are."""
