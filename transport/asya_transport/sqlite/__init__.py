"""The broker of the local mesh: one SQLite file shared by all its processes (contract: sidecar, section 12).

`schema` opens the file, `store` speaks SQL, `bell` wakes sleepers, `worker` is the one thread that owns a connection,
`transport` is the port on the event loop, `admin` the synchronous side. Not for network file systems.
"""
