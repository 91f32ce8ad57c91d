"""What `plan` finds: how live tables and applied loads differ from the specs, and the statements that close the gap."""
