"""The /commands of the terminal chat: one file each, registered in ``registry.SLASH_COMMANDS``."""
