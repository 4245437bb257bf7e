"""Images and labels in any layout -> a prepared dataset."""
