"""One process' messages to and from the others, where there is a broker."""

from coriolis.config import Settings
from coriolis.engine.announcements import Announcements
from coriolis.engine.conductor import Conductor
from coriolis.engine.inventory import Inventory
from coriolis.engine.presence import Presence
from coriolis.engine.remote_inventory import RemoteInventory, answer
from coriolis.messaging.listener import Listener
from coriolis.messaging.messenger import Messenger
from coriolis.messaging.outage import Outage
from coriolis.messaging.transport import Transport
from coriolis.model.secret import Secret
from coriolis.store.database import Database


class Correspondence:
    """Import only where a broker is set: its library is large."""

    def __init__(self, database: Database, settings: Settings, url: Secret) -> None:
        """Raises InvalidInput when the broker's URL is none."""
        self._database = database
        self._settings = settings
        self._outage = Outage()
        self._transport = Transport(settings.messaging, url)
        self._messenger = Messenger(self._transport, settings, self._outage)
        self._listener: Listener | None = None

    def start(self, presence: Presence, conductor: Conductor | None, here: Inventory) -> None:
        self._outage.install()
        self._messenger.start()
        announcements = Announcements(self._database, self._messenger)
        self._database.listeners.append(announcements.status_changed)
        if conductor is None:
            return
        self._listener = Listener(
            self._transport,
            self._outage,
            name=self._settings.host_name,
            look_now=conductor.wake,
            answer=lambda question: answer(here, self._database.codec, question),
        )
        presence.watch(self._listener.serve)

    def stop(self) -> None:
        if self._listener is not None:
            self._listener.stop()
        self._messenger.stop()
        self._transport.close()
        self._outage.remove()

    def wake_conductors(self) -> None:
        self._messenger.wake_conductors()

    def inventory_of(self, region_id: str) -> Inventory:
        """Asks the conductors of that region."""
        region = self._database.regions.names([region_id]).get(region_id, region_id)
        return RemoteInventory(
            lambda question: self._messenger.ask(region_id, region, question), self._database.codec
        )
