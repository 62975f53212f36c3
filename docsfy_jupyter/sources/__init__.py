"""Where a repository comes from: the rules for addresses, git as a hardened child, clone and diff."""
