"""What controllers read and write in objects: identity, ownership, conditions. Pure, apart from the claims."""
