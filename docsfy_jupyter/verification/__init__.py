"""After the pages: what they mention is looked up in the clone, without AI."""
