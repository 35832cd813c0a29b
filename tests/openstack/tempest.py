"""Runs the API tests of networking-l2gw-tempest-plugin, as they are, against a daemon.

The plug-in is of 2017: it imports Neutron's tempest classes, which moved since, and is written for Python 2. What it imports
stands here: test cases, exceptions, and a client that makes the same calls.

    tempest.py PLUGIN URL ADMIN_TOKEN OTHER_TOKEN SWITCH
"""

import builtins
import importlib
import json
import random
import sys
import types
import unittest
import urllib.error
import urllib.request

PLUGIN, URL, ADMIN, OTHER, SWITCH = sys.argv[1:6]


class RestError(Exception):
    pass


ERRORS = {
    400: type("BadRequest", (RestError,), {}),
    403: type("Forbidden", (RestError,), {}),
    404: type("NotFound", (RestError,), {}),
    409: type("Conflict", (RestError,), {}),
}


class Client:
    """As neutron.tests.tempest.services.network.json.network_client: create_x, update_x, show_x, list_xs, delete_x."""

    def __init__(self, token):
        self.token = token

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Auth-Token": self.token, "Content-Type": "application/json"}
        request = urllib.request.Request(URL + "/v2.0/" + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise ERRORS.get(error.code, RestError)(error.read().decode()) from None
        return json.loads(text) if text else None

    def __getattr__(self, name):
        verb, _, resource = name.partition("_")
        plural = resource if verb == "list" else resource + "s"
        path = plural.replace("_", "-")
        return {
            "create": lambda **body: self.call("POST", path, {resource: body}),
            "update": lambda id, **body: self.call("PUT", f"{path}/{id}", {resource: body}),
            "show": lambda id: self.call("GET", f"{path}/{id}"),
            "list": lambda: self.call("GET", path),
            "delete": lambda id: self.call("DELETE", f"{path}/{id}"),
        }[verb]


class Base(unittest.TestCase):
    skipException = unittest.SkipTest
    client = Client(OTHER)
    admin_client = Client(ADMIN)

    @classmethod
    def setUpClass(cls):
        cls.resource_setup()

    @classmethod
    def resource_setup(cls):
        pass


def is_extension_enabled(alias, service):
    assert service == "network"
    return alias in [one["alias"] for one in Client(ADMIN).list_extensions()["extensions"]]


def module(name, **members):
    made = types.ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made
    parent, _, child = name.rpartition(".")
    if parent:
        if parent not in sys.modules:
            module(parent)
        setattr(sys.modules[parent], child, made)
    return made


def unchanged(*_, **__):
    return lambda test: test


module("neutron.tests.tempest.api.base", BaseNetworkTest=Base, BaseAdminNetworkTest=Base)
module("tempest.config", CONF=types.SimpleNamespace(l2gw=types.SimpleNamespace(l2gw_switch=SWITCH)))
module("tempest.lib.common.utils.data_utils", rand_name=lambda name: f"{name}-{random.randrange(1 << 30)}")
module("tempest.lib.decorators", attr=unchanged, idempotent_id=unchanged)
module("tempest.lib.exceptions", **{error.__name__: error for error in ERRORS.values()})
module("tempest.test", is_extension_enabled=is_extension_enabled)

sys.path.insert(0, PLUGIN)
suite = unittest.TestSuite()
for name in ("test_l2gw_extensions", "test_l2gw_negative"):
    tests = importlib.import_module("networking_l2gw_tempest_plugin.tests.api." + name)
    # Python 2: a range is a list that can be changed.
    tests.range = lambda *of: list(builtins.range(*of))
    suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(tests))
result = unittest.TextTestRunner(verbosity=2).run(suite)
sys.exit(0 if result.wasSuccessful() and not result.skipped and result.testsRun == 21 else 1)
