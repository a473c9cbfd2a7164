"""WHAT MODERATION MEANS: plain Python that knows no Flask, no database and no TensorFlow.

States the ports it needs from outside; holds the cloud code that people edit.
"""
