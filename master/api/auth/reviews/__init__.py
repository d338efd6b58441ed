"""Reviews: questions about users and permissions, asked by a create, answered in the response, never stored. One file each."""
