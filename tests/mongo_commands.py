"""What a MongoDB is sent, as its driver tells it."""

from pymongo import monitoring


class Commands(monitoring.CommandListener):
    """The commands of every client that is made from now on."""

    def __init__(self):
        self.sent = []
        monitoring.register(self)

    def started(self, event):
        self.sent.append(event.command)

    def succeeded(self, event):
        pass

    failed = succeeded

    def indexes(self):
        """What indexes were asked for, by collection and name."""
        return {
            (command["createIndexes"], index["name"]): {
                k: v for k, v in index.items() if k != "name"
            }
            for command in self.sent
            for index in command.get("indexes", ())
        }
