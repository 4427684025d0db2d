"""Pure rules: values in, values out, without clock, store or HTTP."""
