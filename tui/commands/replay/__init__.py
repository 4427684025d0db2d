"""`streamtop replay`: in the console, as an HTML page, or as an asciicast."""
