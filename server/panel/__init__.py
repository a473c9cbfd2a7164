"""What the moderators' panel needs of the database: the roles of `admin.ports`."""
