"""What metrics reads from the environment: only what every service does."""

from shared.settings import ServiceSettings


class Settings(ServiceSettings):
    pass
