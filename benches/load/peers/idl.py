"""The IDL of Open vSwitch for Python at work: idl.py SOCKET read|load ROWS"""

import sys

import ovs.db.idl
import ovs.poller

SCHEMA = "/usr/share/openvswitch/vtep.ovsschema"
TABLES = ("Ucast_Macs_Remote", "Mcast_Macs_Remote", "Logical_Switch", "Physical_Port", "Physical_Locator")
BATCH = 500


def synchronised(socket):
    helper = ovs.db.idl.SchemaHelper(SCHEMA)
    for table in TABLES:
        helper.register_table(table)
    idl = ovs.db.idl.Idl(f"unix:{socket}", helper)
    seqno = idl.change_seqno
    while idl.change_seqno == seqno:
        idl.run()
        poller = ovs.poller.Poller()
        idl.wait(poller)
        if idl.change_seqno == seqno:
            poller.block()
    return idl


def load(idl, rows):
    def commit(transaction):
        status = transaction.commit_block()
        assert status == transaction.SUCCESS, status

    transaction = ovs.db.idl.Transaction(idl)
    switch = transaction.insert(idl.tables["Logical_Switch"])
    switch.name = "python"
    switch.tunnel_key = 1
    locators = []
    for i in range(2):
        locator = transaction.insert(idl.tables["Physical_Locator"])
        locator.encapsulation_type = "vxlan_over_ipv4"
        locator.dst_ip = f"198.51.100.{11 + i}"
        locators.append(locator)
    for i in range(rows):
        row = transaction.insert(idl.tables["Ucast_Macs_Remote"])
        row.MAC = f"fa:16:3f:{i >> 16 & 255:02x}:{i >> 8 & 255:02x}:{i & 255:02x}"
        row.ipaddr = f"10.{128 + (i >> 16)}.{i >> 8 & 255}.{i & 255}"
        row.logical_switch = switch
        row.locator = locators[i % 2]
        if i % BATCH == BATCH - 1 or i == rows - 1:
            names = [locator.uuid for locator in locators]
            real = switch.uuid
            commit(transaction)
            if i < BATCH:
                # What was new has its name from the server now.
                switch = idl.tables["Logical_Switch"].rows[transaction.get_insert_uuid(real)]
                locators = [idl.tables["Physical_Locator"].rows[transaction.get_insert_uuid(name)] for name in names]
            transaction = ovs.db.idl.Transaction(idl)


def main():
    socket, what, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
    idl = synchronised(socket)
    if what == "load":
        load(idl, rows)
    held = len(idl.tables["Ucast_Macs_Remote"].rows)
    assert held == rows, held


main()
