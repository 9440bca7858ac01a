// The command's sources follow.
