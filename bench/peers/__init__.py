"""The same work on Celery, Dramatiq, FastStream and Taskiq, beside ours: what `make bench-peers` measures.

Each `*_app` module is what a user of that library would write for one hop: take a message from queue `a`, call a handler that returns what
it is given, publish the result to queue `b`, acknowledge. Guarantees are set as high as the library goes, concurrency as it likes best.
They run in an environment of their own (dependency group `peers`) and take the broker's address from BENCH_URL.
"""
