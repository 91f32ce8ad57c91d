"""What the rooms of the runtime ask of each other: databases, sources, targets, decoders, stores of state."""
