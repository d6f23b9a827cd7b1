"""What every component agrees on: messages, resources, names and limits. Pure: no I/O, no clock."""
