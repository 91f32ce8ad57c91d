"""What a stream remembers outside its targets."""
