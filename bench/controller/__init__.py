"""What the controller costs and how quick it is, on a real API server and a real RabbitMQ: `make bench-controller`."""
