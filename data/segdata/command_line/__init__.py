"""What the five commands share: options, help, errors as one line, progress."""
