"""Values of usage records that cannot be used."""
