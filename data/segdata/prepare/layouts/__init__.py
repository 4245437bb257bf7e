"""Recognises labelled images by their folders and files, and judges which of them are labels."""
