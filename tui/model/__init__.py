"""The console's model without a terminal: values in, values out, the time passed as an argument."""
