"""What the console watches: the usage record, the agent that counts and the service that keeps the figures.

Runs without Textual installed; nothing here imports the console.
"""

__version__ = "0.1.0"
