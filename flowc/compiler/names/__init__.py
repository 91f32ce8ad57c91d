"""Names, references and capabilities: a spec of the right shape to one that is checked."""
