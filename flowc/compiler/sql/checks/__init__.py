"""What SQL of a spec may not do, and what a translation would lose."""
