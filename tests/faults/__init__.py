"""What the store does when machines, networks, disks and other tasks fail it: real processes, real servers, real kills."""
