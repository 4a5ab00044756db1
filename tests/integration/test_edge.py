"""The edge of docker-compose, as far as it can be judged without running it."""
import re

from product import ROOT


def test_each_port_has_room_for_as_many_replicas_as_the_readme_says():
    """A replica beyond the slots gets no connection, and nothing tells."""
    config = (ROOT / "deploy/docker/edge/haproxy.cfg").read_text()
    listens = re.findall(r"^listen \w+\n(?:    .*\n)*", config, re.M)
    slots = [re.search(r"server-template \w+ (\d+) ", listen)[1] for listen in listens]
    said = re.search(r"up\s+to\s+(\d+)\s+replicas", (ROOT / "README.md").read_text())
    assert len(slots) == 8 and said and set(slots) == {said[1]}


def test_the_door_leads_to_each_socket_of_the_edge():
    door = (ROOT / "deploy/docker/door/door.cfg").read_text()
    edge = (ROOT / "deploy/docker/edge/haproxy.cfg").read_text()
    leads = re.findall(r"^listen (\w+)\n    bind .*\n    server edge unix@/run/doors/(\w+)$", door, re.M)
    opens = re.findall(r"^listen (\w+)\n    bind unix@/run/doors/(\w+) .*accept-proxy$", edge, re.M)
    assert len(leads) == 8 and leads == opens and all(name == socket for name, socket in leads)
