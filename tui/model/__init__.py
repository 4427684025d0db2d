"""What the console knows, without a terminal: values in, values out, the time given as an argument."""
