"""A browser session without a browser: it speaks the page server's own protocol."""

from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from tests.e2e.site import Site

SECONDS = 60.0


class Visitor:
    """One open page of a site."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._buttons: dict[str, str] = {}
        self.page = ""

    def open(self, page: str, query: str = "") -> list[str]:
        """Go to a page; the texts on it once it is drawn."""
        self.page = page
        return self._rerun(query)

    def press(self, label: str) -> list[str]:
        """Click the button whose key or label ends so."""
        return self._rerun("", self._buttons[label])

    def _rerun(self, query: str, clicked: str = "") -> list[str]:
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = self.page
        if clicked:
            message.rerun_script.widget_states.widgets.add(id=clicked, trigger_value=True)
        self._connection.send(message.SerializeToString())
        return list(self._texts())

    def _texts(self) -> Iterator[str]:
        begun = False
        while True:
            received = self._connection.recv(timeout=SECONDS)
            assert isinstance(received, bytes)
            message = ForwardMsg.FromString(received)
            begun = begun or message.HasField("new_session")
            if message.HasField("delta") and message.delta.HasField("new_element"):
                element = message.delta.new_element
                if element.HasField("button"):
                    self._buttons[element.button.label] = element.button.id
                yield str(element)
            if begun and message.HasField("script_finished"):
                return


@contextmanager
def visiting(site: Site) -> Iterator[Visitor]:
    """Open the site in a new session."""
    address = f"ws://127.0.0.1:{site.port}/_stcore/stream"
    with connect(address, subprotocols=["streamlit"], max_size=None) as connection:  # pyright: ignore
        yield Visitor(connection)
