"""The command `singleshot`: one door to the commands of the other packages. It imports only what its verb needs."""
