"""What several tests share: files, servers and devices to test with."""
