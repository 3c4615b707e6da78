"""The provider systems, one file each, without a client."""
