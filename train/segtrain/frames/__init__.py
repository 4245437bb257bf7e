"""The frames of a dataset on their way into a network: batches, augmentation."""
