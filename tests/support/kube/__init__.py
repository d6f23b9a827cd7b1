"""A real Kubernetes control plane for tests, and what watches a controller that works on it.

`python -m tests.support.kube` starts one to work with by hand.
"""
