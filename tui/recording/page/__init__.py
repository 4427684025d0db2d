"""A recording as one HTML page that plays in any browser, without a network.

`encoding` turns screens into differences, `palette` styles of cells into colours, `marks` finds the outages of the
recording, `document` puts the page together from `assets`.
"""
