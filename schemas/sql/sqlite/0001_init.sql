-- The desired state of vtepd, SQLite.
--
-- The first four tables are the specification's (networking-plumgrid l2-gateway-api), with the columns that it lacks.
-- Portable on purpose: ids are VARCHAR(36), MACs and times are numbers, flags don't occur. sqlx runs each of these files
-- once, in a transaction, and remembers its checksum: never edit one that was released, add the next.

CREATE TABLE pg_l2gateways (
    id        VARCHAR(36)  NOT NULL PRIMARY KEY,
    name      VARCHAR(255) NOT NULL,
    tenant_id VARCHAR(255) NOT NULL
);
CREATE INDEX pg_l2gateways_name ON pg_l2gateways (name);

CREATE TABLE pg_l2gatewaydevices (
    id            VARCHAR(36)  NOT NULL PRIMARY KEY,
    device_name   VARCHAR(255) NOT NULL,                -- Physical_Switch.name
    l2_gateway_id VARCHAR(36)  NOT NULL REFERENCES pg_l2gateways (id) ON DELETE CASCADE,
    position      INTEGER      NOT NULL,                -- order in which the devices were given
    UNIQUE (l2_gateway_id, device_name)
);
CREATE INDEX pg_l2gatewaydevices_name ON pg_l2gatewaydevices (device_name);

-- One row a VLAN, as in networking-l2gw; an interface without VLANs has one row with NULL.
CREATE TABLE pg_l2gatewayinterfaces (
    id              VARCHAR(36)  NOT NULL PRIMARY KEY,
    interface_name  VARCHAR(255) NOT NULL,              -- Physical_Port.name
    device_id       VARCHAR(36)  NOT NULL REFERENCES pg_l2gatewaydevices (id) ON DELETE CASCADE,
    segmentation_id INTEGER,
    position        INTEGER      NOT NULL,              -- order of the interfaces, and of the VLANs of one
    UNIQUE (device_id, interface_name, segmentation_id)
);
CREATE INDEX pg_l2gatewayinterfaces_vlan ON pg_l2gatewayinterfaces (interface_name, segmentation_id);

CREATE TABLE networks (
    id        VARCHAR(36)  NOT NULL PRIMARY KEY,
    name      VARCHAR(255) NOT NULL,
    tenant_id VARCHAR(255) NOT NULL,
    vni       BIGINT UNIQUE                             -- NULL: no VXLAN segment
);
CREATE INDEX networks_name ON networks (name);

CREATE TABLE pg_networkconnections (
    id                      VARCHAR(36)  NOT NULL PRIMARY KEY,
    tenant_id               VARCHAR(255) NOT NULL,
    l2_gateway_id           VARCHAR(36)  NOT NULL REFERENCES pg_l2gateways (id),
    network_id              VARCHAR(36)  NOT NULL REFERENCES networks (id),
    port_id                 VARCHAR(255) NOT NULL,
    default_segmentation_id INTEGER,
    UNIQUE (l2_gateway_id, network_id)
);
CREATE INDEX pg_networkconnections_network ON pg_networkconnections (network_id);
CREATE INDEX pg_networkconnections_vlan ON pg_networkconnections (default_segmentation_id);

-- A million rows are expected: lists are compact texts (store/codec.rs), the MAC is its 48-bit number.
CREATE TABLE ports (
    id            VARCHAR(36)  NOT NULL PRIMARY KEY,
    network_id    VARCHAR(36)  NOT NULL REFERENCES networks (id),
    mac           BIGINT       NOT NULL,
    host          VARCHAR(255),                         -- NULL: unbound
    name          VARCHAR(255) NOT NULL,
    tenant_id     VARCHAR(255) NOT NULL,
    fixed_ips     TEXT         NOT NULL,
    address_pairs TEXT         NOT NULL,
    UNIQUE (mac, network_id)
);
CREATE INDEX ports_network ON ports (network_id);
CREATE INDEX ports_host ON ports (host);

CREATE TABLE tunnel_endpoints (
    id   VARCHAR(36)  NOT NULL PRIMARY KEY,
    host VARCHAR(255) NOT NULL UNIQUE,
    ip   VARCHAR(45)  NOT NULL
);

-- One row, raised in the transaction of each change: an automatic counter could be committed out of order.
CREATE TABLE revisions (
    id       SMALLINT NOT NULL PRIMARY KEY,
    revision BIGINT   NOT NULL
);
INSERT INTO revisions (id, revision) VALUES (1, 0);

-- What each revision changed (model::Change as JSON), for feeds that lag behind the writer; pruned.
CREATE TABLE changes (
    revision BIGINT  NOT NULL,
    part     INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (revision, part)
);

-- Why rows vanish from switches; kept until every database of switch_progress has confirmed the revision.
CREATE TABLE tombstones (
    kind       VARCHAR(16)  NOT NULL,                   -- network, binding, mac
    network_id VARCHAR(36)  NOT NULL,
    switch     VARCHAR(255) NOT NULL,                   -- '' where the kind has none; likewise below
    port       VARCHAR(255) NOT NULL,
    vlan       INTEGER      NOT NULL,                   -- -1 where the kind has none
    mac        BIGINT       NOT NULL,                   -- -1 where the kind has none
    revision   BIGINT       NOT NULL,
    PRIMARY KEY (kind, network_id, switch, port, vlan, mac)
);
CREATE INDEX tombstones_revision ON tombstones (revision);

-- How far each switch database is known to be.
CREATE TABLE switch_progress (
    name     VARCHAR(255) NOT NULL PRIMARY KEY,
    revision BIGINT       NOT NULL
);

-- Written and removed to learn whether a disk that was full takes writes again.
CREATE TABLE write_probe (
    id   SMALLINT NOT NULL PRIMARY KEY,
    body BLOB     NOT NULL
);
