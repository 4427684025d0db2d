"""A scripted estate over two months, and the plain model of what its statistics must be."""
