"""The mesh on one machine: the same actors, rules and processes as in a cluster, with processes in place of pods.

`mesh.py` joins everything; `folder.py` is what the other verbs (`get`, `send`, `trace`, ...) read. What is decided comes
from `asya_controller.decide`, unchanged; this package is only another edge for it.
"""
