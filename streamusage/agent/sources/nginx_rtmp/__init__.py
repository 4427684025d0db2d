"""nginx with the RTMP module."""
