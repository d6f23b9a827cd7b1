"""The command against a cluster: the controller's own decisions, asked by a person.

`operator` reads the configuration, `rendering` makes the objects, `connection` finds the cluster; the rest is one module per question.
"""
