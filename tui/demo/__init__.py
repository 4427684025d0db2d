"""The demo: a real service and real agents over simulated media servers, on a clock of its own."""
