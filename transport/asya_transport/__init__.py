"""Brokers behind one port: one module per technology."""
