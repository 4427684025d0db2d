"""Commands about evidence: keys, signed statements and corrections."""
