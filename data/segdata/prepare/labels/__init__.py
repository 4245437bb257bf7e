"""The labels of one image: read from its file, decoded from ids or colours, or drawn from regions."""
