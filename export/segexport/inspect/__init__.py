"""What a file is: seg-export inspect."""
