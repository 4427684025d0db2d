"""The systems that the console watches: the agent, which counts usage, and the service, which stores and serves it.

Runs without Textual installed; nothing here imports the console.
"""

__version__ = "0.1.0"
