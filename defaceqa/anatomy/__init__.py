"""Where the brain and the parts of the face are in a head."""
